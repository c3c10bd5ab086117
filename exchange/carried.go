package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
)

// A run carries a digest to the parent now and then, which compares it when it comes. What is remembered of that is in digests/PEER.json of the
// home folder; what waits to be sent is in digests/PEER.

// carriedFinds is how many rows that differ such a digest names exactly: some 46 KiB.
const carriedFinds = 1000

// carriedFor is how long such a digest stays in a shared store where nobody takes it.
const carriedFor = 30 * 24 * time.Hour

// Comparison is what came of a peer's digest.
type Comparison struct {
	At     time.Time `json:"at"`    // when it was compared
	AsOf   time.Time `json:"as_of"` // when it was made, by the peer's clock
	Rows   int64     `json:"rows"`
	Tables int       `json:"tables"`
	Differ int64     `json:"differ"` // rows that differ, and are not under way or waiting
	About  bool      `json:"about,omitempty"`
	Left   int       `json:"not_compared,omitempty"` // tables
	Why    string    `json:"why,omitempty"`          // why it could not be compared
	// Repaired is when this node did its part of what differed; zero: it did not. What is left then, the next comparison says.
	Repaired time.Time `json:"repaired,omitzero"`
}

// String says it in a line.
func (c *Comparison) String() string {
	as := "as of " + c.AsOf.UTC().Format("2006-01-02 15:04 UTC")
	left := ""
	if c.Left > 0 {
		left = fmt.Sprintf("; %d tables not compared", c.Left)
	}
	switch {
	case c.Why != "":
		return "not compared: " + c.Why
	case c.About:
		return fmt.Sprintf("about %d of %d rows differ, %s%s", c.Differ, c.Rows, as, left)
	case c.Differ > 0:
		return fmt.Sprintf("%d of %d rows differ, %s%s", c.Differ, c.Rows, as, left)
	}
	return fmt.Sprintf("both hold the same, %d rows, %s%s", c.Rows, as, left)
}

// carried is the record of a peer.
type carried struct {
	Version int         `json:"omsync_digests"`
	Link    uint64      `json:"link"`          // number of the link to the peer: one that was added anew begins anew
	Made    time.Time   `json:"made,omitzero"` // when the last digest for the peer was made
	Came    time.Time   `json:"came,omitzero"` // when one that a run carried here was compared; zero: as Last says
	Last    *Comparison `json:"last,omitempty"`
}

// came returns when one that a run carried here was compared; zero: none was.
func (c *carried) came() time.Time {
	if c.Came.IsZero() && c.Last != nil {
		return c.Last.At
	}
	return c.Came
}

const carriedVersion = 1

func carriedPath(home, peer string) string { return filepath.Join(home, "digests", peer+".json") }

// readCarried returns the record; one that is damaged, of another link or of a newer version counts for nothing.
func readCarried(home string, p *journal.Peer) (carried, error) {
	none := carried{Version: carriedVersion, Link: p.Link.Number}
	if keys.ValidName(p.Name) != nil {
		return none, nil
	}
	b, err := os.ReadFile(carriedPath(home, p.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	} else if err != nil {
		return none, fmt.Errorf("read when %s was compared with: %w", p.Name, err)
	}
	var c carried
	if json.Unmarshal(b, &c) != nil || c.Version != carriedVersion || c.Link != p.Link.Number {
		return none, nil
	}
	return c, nil
}

func (c carried) save(home, peer string) error {
	b, err := json.Marshal(c)
	if err == nil {
		err = os.MkdirAll(filepath.Join(home, "digests"), 0o700)
	}
	if err == nil {
		err = durable.Write(carriedPath(home, peer), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write when %s was compared with: %w", peer, err)
	}
	return nil
}

// LastComparison returns what came of the last digest of a peer with which this node was compared; nil: none was.
func LastComparison(home string, p *journal.Peer) (*Comparison, error) {
	c, err := readCarried(home, p)
	return c.Last, err
}

// NoteRepair notes that this node did its part of what the last comparison with a peer said to differ.
func NoteRepair(home string, p *journal.Peer, at time.Time) error {
	c, err := readCarried(home, p)
	if err != nil || c.Last == nil {
		return err
	}
	c.Last.Repaired = at.UTC().Truncate(time.Second)
	return c.save(home, p.Name)
}

// fillDigest makes a digest for a parent, if one is due every so long, and if the parent compares it.
func (n *Node) fillDigest(ctx context.Context, p *journal.Peer, every time.Duration) error {
	if p.Role != access.Parent || !n.Features.Writable(p.Heard).Has(features.Digests) {
		return nil
	}
	c, err := readCarried(n.Home, p)
	if err != nil {
		return err
	}
	now := n.Journal.Now()
	if !digest.Due(every, time.UnixMicro(int64(p.Link.Number)), c.Made, now) {
		return nil
	}
	folder, err := mailFolder(n.Home, "digests", p.Name)
	if err != nil {
		return err
	}
	defer folder.Close()
	old, err := folder.List(ctx)
	if err != nil {
		return err
	}
	_, err = n.exportDigest(ctx, p, folder.Create, export.DigestOptions{Finds: carriedFinds, Carried: true})
	if errors.Is(err, export.ErrNothingAcknowledged) || ctx.Err() != nil || errors.Is(err, journal.ErrBusy) {
		return ctx.Err()
	}
	for _, e := range old {
		err = errors.Join(err, folder.Remove(ctx, e.Name))
	}
	c.Made = now.UTC().Truncate(time.Second) // also of one that was not made: to try costs as much as to make it
	return errors.Join(err, c.save(n.Home, p.Name))
}

// pushDigest sends the digest that waits for a peer, once. One that is lost costs nothing: the next one says the same.
func (p *pushing) pushDigest(ctx context.Context, peer *journal.Peer) error {
	if _, err := os.Stat(filepath.Join(p.Home, "digests", peer.Name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	folder, err := mailFolder(p.Home, "digests", peer.Name)
	if err != nil {
		return err
	}
	b := &outbox{Folder: folder, peer: peer}
	defer b.Close()
	if b.files, err = listMail(ctx, folder); err != nil {
		return err
	}
	for _, f := range b.files {
		if err := p.put(ctx, b, f); err != nil {
			return err
		}
		if err := b.Remove(ctx, f.Name); err != nil {
			return err
		}
	}
	return nil
}

// keepsDigest reports whether a digest of this node's stays in a shared store for its receiver to take.
func keepsDigest(h *batch.Header, now time.Time) bool {
	return h.IsDigest() && now.Sub(time.UnixMicro(h.Time)) < carriedFor
}

// splitDigests takes digests out of a list of files.
func splitDigests(files []*Incoming) (others, digests []*Incoming) {
	for _, f := range files {
		if f.header.IsDigest() {
			digests = append(digests, f)
		} else {
			others = append(others, f)
		}
	}
	return others, digests
}

// compareDigest compares with a digest that came like a batch, and remembers what came of that. The error is one that stops the run.
func (r *importRun) compareDigest(ctx context.Context, f *Incoming) error {
	if err := r.begin(f); err != nil {
		return err
	}
	file, size, err := f.Open()
	if err != nil {
		return r.reportError(ctx, f, err)
	}
	defer file.Close()
	d, err := r.openDigest(f.sender, file, size)
	if err != nil {
		return r.reportError(ctx, f, err)
	}
	record, err := readCarried(r.Home, f.sender)
	if err != nil {
		return err
	}
	report := &apply.Report{Sender: f.sender.Name, Outcome: Compared, Upto: d.Header.Upto.Epoch, Last: true}
	now := r.Journal.Now().UTC().Truncate(time.Second)
	if last := record.came(); r.o.Folder && !last.IsZero() && !digest.IsCompared(last, now) {
		report.Why = "not compared: one of the same day was"
		return r.report(f, report)
	}
	c := &Comparison{At: now, AsOf: time.UnixMicro(d.Header.Time).UTC().Truncate(time.Second)}
	found, err := r.Compare(ctx, f.sender, d)
	switch {
	case errors.Is(err, export.ErrOtherHistory), errors.Is(err, digest.ErrDigest):
		c.Why = err.Error()
	case err != nil:
		return r.reportError(ctx, f, err)
	default:
		c.count(found)
		if r.Compared != nil && !r.o.DryRun {
			if err := r.Compared(ctx, f.sender, d, found); err != nil {
				return r.reportError(ctx, f, err)
			}
		}
	}
	if !r.o.DryRun {
		record.Last, record.Came = c, now
		if err := record.save(r.Home, f.sender.Name); err != nil {
			return err
		}
	}
	report.Why = c.String()
	return r.report(f, report)
}

// Remember notes what came of a comparison that a person asked for.
func (n *Node) Remember(p *journal.Peer, d *DigestFile, found *export.Compared) error {
	record, err := readCarried(n.Home, p)
	if err != nil {
		return err
	}
	if record.Came = record.came(); record.Came.IsZero() {
		record.Came = time.UnixMicro(0)
	}
	record.Last = &Comparison{At: n.Journal.Now().UTC().Truncate(time.Second), AsOf: time.UnixMicro(d.Header.Time).UTC().Truncate(time.Second)}
	record.Last.count(found)
	return record.save(n.Home, p.Name)
}

// Compared is the outcome of a digest that came like a batch.
const Compared = "compared"

func (c *Comparison) count(found *export.Compared) {
	c.Rows, c.Left = found.Rows, len(found.Left)
	same := true
	for _, t := range found.Tables {
		if found.Left[t.Name] == "" {
			c.Tables++
			same = same && t.Equal
		}
	}
	if !found.Exact {
		if !same {
			c.Differ, c.About = max(found.Estimate, 1), true
		}
		return
	}
	for _, d := range found.Differences {
		if d.State == export.Differs {
			c.Differ++
		}
	}
}
