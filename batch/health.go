package batch

import (
	"fmt"
	"strconv"
	"strings"
)

// healthPrefix is what a text of Header.Requests begins with that says something of the node that made the batch.
const healthPrefix = "health:"

// Health is what a child tells its parent of itself. What is not known is zero. Nobody vouches for it but the child.
type Health struct {
	Waiting     uint64 `json:"rows_waiting,omitempty"`      // rows of its peers that cannot be applied there, those that were dropped not among them
	Conflicts   uint64 `json:"conflicts_open,omitempty"`    // that somebody should look at
	Free        uint64 `json:"disk_free_bytes,omitempty"`   // on the disk of its home folder
	Backup      int64  `json:"home_backup_at,omitempty"`    // when its home folder was last backed up, in seconds since 1970 UTC, by its clock
	Zone        int64  `json:"clock_zone_minutes,omitzero"` // its clock's zone, in minutes east of UTC; the header has its time
	Version     string `json:"omsync_version,omitempty"`
	Application string `json:"openmrs_version,omitempty"` // of the application that its database belongs to
}

const (
	maxHealthCount   = 1 << 50 // of rows, conflicts and bytes
	maxHealthVersion = 40      // bytes of a version: letters, digits, and . _ + -
	maxZone          = 14 * 60
)

// texts returns what a header says of it.
func (h *Health) texts() []string {
	if h == nil {
		return nil
	}
	var out []string
	count := func(what string, n uint64) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%s%s@%d", healthPrefix, what, min(n, maxHealthCount)))
		}
	}
	count("waiting", h.Waiting)
	count("conflicts", h.Conflicts)
	count("free", h.Free)
	if h.Zone != 0 {
		out = append(out, fmt.Sprintf("%szone@%d", healthPrefix, h.Zone))
	}
	if h.Backup > 0 {
		out = append(out, fmt.Sprintf("%sbackup@%d", healthPrefix, h.Backup))
	}
	if validHealthVersion(h.Version) {
		out = append(out, healthPrefix+"version@"+h.Version)
	}
	if validHealthVersion(h.Application) {
		out = append(out, healthPrefix+"openmrs@"+h.Application)
	}
	return out
}

// SayHealth has the header say it, as far as there is room.
func (h *Header) SayHealth(of *Health) {
	if texts := of.texts(); len(h.Requests)+len(texts) <= MaxTables {
		h.Requests = append(h.Requests, texts...)
	}
}

// Health returns what the sender of a batch says of itself; nil: nothing. Of a text that is said twice the first counts; one that is not understood, or too
// large, is passed over.
func (h *Header) Health() *Health {
	out := new(Health)
	said := map[string]bool{}
	for _, s := range h.Requests {
		text, ok := strings.CutPrefix(s, healthPrefix)
		if !ok || isTableRequest(s) {
			continue
		}
		key, value, _ := strings.Cut(text, "@")
		if !said[key] && out.take(key, value) {
			said[key] = true
		}
	}
	if len(said) == 0 {
		return nil
	}
	return out
}

// take takes one text in, and reports whether it was understood.
func (h *Health) take(key, value string) bool {
	count := func(into *uint64) bool {
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil || n > maxHealthCount {
			return false
		}
		*into = n
		return true
	}
	version := func(into *string) bool {
		if !validHealthVersion(value) {
			return false
		}
		*into = value
		return true
	}
	switch key {
	case "waiting":
		return count(&h.Waiting)
	case "conflicts":
		return count(&h.Conflicts)
	case "free":
		return count(&h.Free)
	case "version":
		return version(&h.Version)
	case "openmrs":
		return version(&h.Application)
	case "backup":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n <= 0 || n > MaxTime/1_000_000 {
			return false
		}
		h.Backup = n
		return true
	case "zone":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < -maxZone || n > maxZone {
			return false
		}
		h.Zone = n
		return true
	}
	return false
}

// validHealthVersion reports whether a text can be a version that a header says.
func validHealthVersion(s string) bool {
	return s != "" && len(s) <= maxHealthVersion && !strings.ContainsFunc(s, func(c rune) bool {
		return c != '.' && c != '_' && c != '+' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
}
