package batch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// Limits of what a header says of features. Texts beyond them are passed over, except that a need always counts.
const (
	MaxFeatures    = 64 // features that a header says its sender reads
	MaxFeatureName = 64 // bytes of the name of a feature: a-z, 0-9 and hyphens
	maxVersion     = 20 // bytes of a version
)

// ManyColumns is the feature of files whose slots go up to MaxSlot. In such a file bit 63 of a mask stands for no column. With it, bits 58 to 62
// are a number n, and bit i up to 57 stands for the slot 63 + 58 n + i. A version of both lower and higher slots, or of those of two
// numbers, has several masks, with the same time, author and epoch.
const ManyColumns = "many-columns"

// HasManyColumns reports whether the batch may use [ManyColumns].
func (h *Header) HasManyColumns() bool {
	return slices.ContainsFunc(h.Needs(), func(n Need) bool { return n.Feature == ManyColumns })
}

// What the texts of Header.Requests begin with that are no requests for tables.
const (
	readsPrefix = "reads:"
	needsPrefix = "needs:"
)

// Need is a feature that a reader of a batch must know, and the oldest version of omsync that does.
type Need struct {
	Feature string // "" if the header's text was not understood
	Version string // such as 0.4.0; "" if the header does not say
}

// String returns the need as a header says it.
func (n Need) String() string { return needsPrefix + n.Feature + "@" + n.Version }

// ReadsText returns what the header of a batch says of a feature that its sender reads.
func ReadsText(feature string) string { return readsPrefix + feature }

// Reads returns the features that the sender of the batch reads beyond today's format: sorted, each once, at most MaxFeatures.
func (h *Header) Reads() []string {
	var out []string
	for _, s := range h.Requests {
		name, ok := strings.CutPrefix(s, readsPrefix)
		if ok && validFeature(name) && len(out) < MaxFeatures && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Needs returns what the batch may use beyond today's format.
func (h *Header) Needs() []Need {
	var out []Need
	for _, s := range h.Requests {
		if rest, ok := strings.CutPrefix(s, needsPrefix); ok && !isTableRequest(s) {
			out = append(out, parseNeed(rest))
		}
	}
	return out
}

// TableRequests returns the requests for tables, as TABLE#EPOCH.
func (h *Header) TableRequests() []string {
	var out []string
	for _, s := range h.Requests {
		if isTableRequest(s) {
			out = append(out, s)
		}
	}
	return out
}

// isTableRequest reports whether a text ends with # and a number, whatever the name of the table begins with.
func isTableRequest(s string) bool {
	i := strings.LastIndexByte(s, '#')
	if i <= 0 {
		return false
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 64)
	return err == nil && n > 0
}

func parseNeed(s string) Need {
	feature, version, _ := strings.Cut(s, "@")
	var n Need
	if validFeature(feature) {
		n.Feature = feature
	}
	if validVersion(version) {
		n.Version = version
	}
	return n
}

// validFeature reports whether a name can stand in a header: lower-case letters, digits and hyphens, at most MaxFeatureName bytes.
func validFeature(name string) bool {
	if name == "" || len(name) > MaxFeatureName {
		return false
	}
	return !strings.ContainsFunc(name, func(c rune) bool { return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') })
}

// validVersion reports whether a text is three numbers with points between.
func validVersion(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(s) > maxVersion {
		return false
	}
	for _, p := range parts {
		if n, err := strconv.ParseUint(p, 10, 32); err != nil || strconv.FormatUint(n, 10) != p {
			return false
		}
	}
	return true
}

// newerVersion reports whether version a, which is valid or "", is newer than b.
func newerVersion(a, b string) bool {
	if a == "" || b == "" {
		return a != ""
	}
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range x {
		if len(x[i]) != len(y[i]) { // no number has leading zeros
			return len(x[i]) > len(y[i])
		}
		if x[i] != y[i] {
			return x[i] > y[i]
		}
	}
	return false
}

// TooNewError means that a batch can be read only by a later omsync. It is [ErrTooNew], and [ErrVersion].
type TooNewError struct {
	Format           uint8  // of the file
	Version          string // oldest version of omsync that reads it, such as 0.4.0; "" if the file does not say
	Sender, Receiver string // as the clear header says
}

func (e *TooNewError) Error() string {
	version := "a newer omsync"
	if e.Version != "" {
		version = "omsync " + e.Version + " or newer"
	}
	return fmt.Sprintf("%v: install %s on this node, and it can be applied", ErrTooNew, version)
}

func (e *TooNewError) Unwrap() []error { return []error{ErrTooNew, ErrVersion} }

// CheckNeeds returns a *TooNewError if a batch of this header may use a feature that is not among those read.
func CheckNeeds(h *Header, read []string) error {
	return tooNew(Version, h, read)
}

func tooNew(format uint8, h *Header, read []string) error {
	e := &TooNewError{Format: format, Sender: h.Sender, Receiver: h.Receiver}
	found := false
	for _, n := range h.Needs() {
		if n.Feature != "" && slices.Contains(read, n.Feature) {
			continue
		}
		found = true
		if newerVersion(n.Version, e.Version) {
			e.Version = n.Version
		}
	}
	if !found {
		return nil
	}
	return e
}

// envelope is the part of the header that every format keeps: who sends the file to whom, and what it needs.
type envelope struct {
	Sender   string   `cbor:"1,keyasint"`
	Receiver string   `cbor:"2,keyasint"`
	Requests []string `cbor:"14,keyasint"`
}

// readEnvelope returns the envelope of a header whose other fields may be of a later format, and a *TooNewError that says so;
// nil, nil if it is not one: no header, or one that names no need.
func readEnvelope(format uint8, b []byte) (*Header, error) {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  16,
		MaxArrayElements: MaxHeader,
		MaxMapPairs:      1024,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
	}.DecMode()
	if err != nil {
		return nil, err
	}
	var e envelope
	if mode.Unmarshal(b, &e) != nil || e.Sender == "" || e.Receiver == "" || len(e.Requests) > MaxTables {
		return nil, nil
	}
	for _, s := range append([]string{e.Sender, e.Receiver}, e.Requests...) {
		if checkName("text", s) != nil {
			return nil, nil
		}
	}
	h := &Header{Sender: e.Sender, Receiver: e.Receiver, Requests: e.Requests}
	if err := tooNew(format, h, nil); err != nil {
		return h, err
	}
	return nil, nil
}
