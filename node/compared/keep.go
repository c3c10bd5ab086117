package compared

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/internal/nodename"
	"github.com/omsync/omsync/journal"
)

const (
	// MaxRows is how many rows that differ are kept of a report.
	MaxRows = 1000

	maxLeft   = 100     // tables that are not compared
	maxText   = 300     // of what is kept of a row, or of such a table, in characters
	maxReport = 8 << 20 // of a report that is read, in bytes
	version   = 1
)

// Kept is a report that was kept.
type Kept struct {
	Report
	More     int64     // rows that differ and are not in the report
	Repaired time.Time // when what it says was repaired; zero: it was not
}

// record is a kept report as it is stored.
type record struct {
	Version  int       `json:"omsync_compared"`
	Link     uint64    `json:"link"` // number of the link to the peer: what was kept of one before counts for nothing
	Report   Report    `json:"report"`
	More     int64     `json:"more,omitempty"`
	Repaired time.Time `json:"repaired,omitzero"`
}

// Folder returns the folder with the digests that were kept.
func Folder(home string) string { return filepath.Join(home, "compared") }

func reportPath(home, peer string) string { return filepath.Join(Folder(home), peer+".json") }

// Digest returns the path of the digest that came last of a peer, whether it is there or not.
func Digest(home, peer string) string { return filepath.Join(Folder(home), peer+batch.DigestSuffix) }

// Keep keeps a report in place of the one before, and the file of the digest with which it was made. A digest that is nil was too large: the
// one before goes all the same.
func Keep(home string, p *journal.Peer, r *Report, digest []byte) error {
	if err := nodename.Check(p.Name); err != nil {
		return err
	}
	if err := os.MkdirAll(Folder(home), 0o700); err != nil {
		return fmt.Errorf("keep what %s was compared with: %w", p.Name, err)
	}
	var err error
	if digest != nil {
		err = durable.Write(Digest(home, p.Name), digest, 0o600)
	} else if err = os.Remove(Digest(home, p.Name)); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("keep the digest of %s: %w", p.Name, err)
	}
	k := record{Version: version, Link: p.Link.Number, Report: *r}
	k.Report.Found = nil
	for _, row := range r.Found[:min(len(r.Found), MaxRows)] {
		row.Key, row.Row, row.Cause = short(row.Key), short(row.Row), short(row.Cause)
		k.Report.Found = append(k.Report.Found, row)
	}
	k.Report.Left = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(r.Left))[:min(len(r.Left), maxLeft)] { // the peer names them
		k.Report.Left[short(name)] = short(r.Left[name])
	}
	counted := 0
	for _, t := range r.Tables {
		counted += t.Differ + t.NotHere + t.NotThere + t.Flight + t.Waiting
	}
	k.More = int64(max(0, counted-len(k.Report.Found)))
	return k.save(home)
}

func (k *record) save(home string) error {
	b, err := json.Marshal(k)
	if err == nil {
		err = durable.Write(reportPath(home, k.Report.Peer), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep how %s compares: %w", k.Report.Peer, err)
	}
	return nil
}

func short(s string) string {
	if utf8.RuneCountInString(s) > maxText {
		return string([]rune(s)[:maxText]) + "…"
	}
	return s
}

func read(home string, p *journal.Peer) (*record, error) {
	if nodename.Check(p.Name) != nil {
		return nil, nil
	}
	info, err := os.Stat(reportPath(home, p.Name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() > maxReport {
		return nil, nil
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(reportPath(home, p.Name))
	}
	if err != nil {
		return nil, fmt.Errorf("read how %s compares: %w", p.Name, err)
	}
	k := &record{}
	if json.Unmarshal(b, k) != nil || k.Version != version || k.Link != p.Link.Number || k.Report.Peer != p.Name {
		return nil, nil
	}
	return k, nil
}

// Last returns the report that was kept of a peer; nil: there is none.
func Last(home string, p *journal.Peer) (*Kept, error) {
	k, err := read(home, p)
	if k == nil || err != nil {
		return nil, err
	}
	return &Kept{k.Report, k.More, k.Repaired}, nil
}

// Forget removes what is kept of a peer.
func Forget(home, peer string) (err error) {
	if nodename.Check(peer) != nil { // of which nothing ever was
		return nil
	}
	for _, path := range []string{reportPath(home, peer), Digest(home, peer)} {
		if e := os.Remove(path); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("forget how %s compares: %w", peer, e))
		}
	}
	return err
}

// NoteRepair notes that what the report of a peer says was repaired: what is left, the next comparison says.
func NoteRepair(home string, p *journal.Peer, at time.Time) error {
	k, err := read(home, p)
	if k == nil || err != nil {
		return err
	}
	k.Repaired = at.UTC()
	return k.save(home)
}
