package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/harmonise"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/match"
	"github.com/omsync/omsync/transport"
)

// ExportMatch writes a file for matching into a folder: the keys of what would go to a peer, and what they are compared by.
func (n *Node) ExportMatch(ctx context.Context, p *journal.Peer, folder *transport.Folder) (export.Batch, error) {
	seal, err := n.sealing(p)
	if err != nil {
		return export.Batch{}, err
	}
	bar := n.bar("to "+p.Name, Rows)
	defer bar.Done()
	made, err := export.Export(ctx, n.Journal, p.Name, export.Options{
		Match: harmonise.NewPlan(n.Journal, p).Columns(), Wait: n.Wait, Features: n.Features,
		Create: func(name string) (export.File, error) {
			f, err := folder.CreateBeside(ctx, name, batch.MatchSuffix)
			if err != nil {
				return nil, err
			}
			return f, nil
		},
		Encrypt: seal.to.Encrypt, Sign: seal.by.Sign, Progress: bar.Show,
	})
	if err != nil {
		return export.Batch{}, err
	}
	return made[0], nil
}

// matchFile is a file that can be compared with.
type matchFile struct {
	path   string
	header *batch.Header
}

// ErrNoMatchFile means that there is no file to compare with.
var ErrNoMatchFile = errors.New("no file to compare with")

// ReadMatch reads what a peer holds: from a file, or from the newest file for matching, full load, or full load in parts that is in a
// folder. What it read is returned with the names of the files. Nothing is changed.
func (n *Node) ReadMatch(ctx context.Context, p *journal.Peer, path string) (*harmonise.There, []string, error) {
	files, err := n.matchFiles(ctx, p, path)
	if err != nil {
		return nil, nil, err
	}
	reading := harmonise.NewPlan(n.Journal, p).Files()
	var names []string
	for _, f := range files {
		if err := n.readMatch(ctx, p, f.path, reading); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", printable(f.path), err)
		}
		names = append(names, f.path)
	}
	h := files[len(files)-1].header
	return &harmonise.There{Peer: p.Name, Link: p.Link.Number, History: h.History, Epoch: h.Upto.Epoch, Time: h.Time, Side: reading.Side(p.Name)}, names, nil
}

// readMatch reads one file, which must be signed by the peer, and for this node.
func (n *Node) readMatch(ctx context.Context, p *journal.Peer, path string, into *harmonise.Files) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	verify, err := n.verifier(p)
	if err != nil {
		return err
	}
	r, err := batch.Open(f, info.Size(), verify, n.Keys.Decrypt)
	if err != nil {
		return err
	}
	defer r.Close()
	if why := unfit(r.Header(), n); why != nil {
		return why
	}
	return into.Read(ctx, r)
}

// unfit returns why a file cannot be compared with.
func unfit(h *batch.Header, n *Node) error {
	if h.ForMatching() {
		return batch.CheckNeeds(h, append(n.Features.Names(), batch.MatchFeature))
	}
	if h.Base.Epoch != 0 {
		return fmt.Errorf("%w: it holds what changed since epoch %d alone: let %s make a file for matching (omsync export --match --to FOLDER), or a full load (omsync export --full --to FOLDER)",
			ErrNoMatchFile, h.Base.Epoch, printable(h.Sender))
	}
	return batch.CheckNeeds(h, n.Features.Names())
}

// matchFiles finds what to read: the files of one load, in order, or one file.
func (n *Node) matchFiles(ctx context.Context, p *journal.Peer, path string) ([]matchFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		h, err := matchHeader(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable(path), err)
		}
		switch {
		case h.Sender != p.Name || h.Receiver != n.Name:
			return nil, fmt.Errorf("%s: %w: it is from %s for %s, and this is %s, which compares with %s", printable(path), ErrNoMatchFile, printable(h.Sender), printable(h.Receiver), n.Name, p.Name)
		case h.Load == 0:
			return []matchFile{{path, h}}, nil
		}
		path = filepath.Dir(path) // the other parts
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	loads := map[string][]matchFile{} // by what belongs together
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name := e.Name()
		if !e.Type().IsRegular() || strings.HasPrefix(name, ".") || transport.CheckStored(name) != nil && !strings.HasSuffix(strings.ToLower(name), batch.MatchSuffix) {
			continue
		}
		h, err := matchHeader(filepath.Join(path, name))
		if err != nil || h.Sender != p.Name || h.Receiver != n.Name || h.Base.Epoch != 0 || unfit(h, n) != nil {
			continue
		}
		id := name
		if h.Load != 0 {
			id = fmt.Sprintf("load %d", h.Load)
		}
		loads[id] = append(loads[id], matchFile{filepath.Join(path, name), h})
	}
	return newestLoad(loads, p.Name, path)
}

// newestLoad returns the files that were made last and are all there.
func newestLoad(loads map[string][]matchFile, peer, path string) (best []matchFile, err error) {
	var incomplete string
	for _, files := range loads {
		slices.SortFunc(files, func(a, b matchFile) int { return cmp.Compare(a.header.Part, b.header.Part) })
		files = slices.CompactFunc(files, func(a, b matchFile) bool { return a.header.Load != 0 && a.header.Part == b.header.Part })
		last := files[len(files)-1].header
		switch {
		case last.Load != 0 && (!last.Last || int(last.Part) != len(files)):
			incomplete = fmt.Sprintf("; of the full load to epoch %d some parts are missing", last.Upto.Epoch)
		case best == nil || best[len(best)-1].header.Time < last.Time:
			best = files
		}
	}
	if best == nil {
		return nil, fmt.Errorf("%w of %s in %s%s", ErrNoMatchFile, peer, printable(path), incomplete)
	}
	return best, nil
}

// matchHeader reads the header of a file. Nothing vouches for it yet.
func matchHeader(path string) (*batch.Header, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return batch.ReadHeader(f)
}

// Matching is a comparison of this node with a peer.
type Matching struct {
	*match.Comparison
	Report *match.Report
}

// Match compares what this node's database holds with what a peer does, and counts what would wait there. It reads one snapshot, and
// changes nothing.
func (n *Node) Match(ctx context.Context, p *journal.Peer, there *match.Side, decisions []match.Decision) (*Matching, error) {
	c, err := n.Journal.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for _, statement := range []string{"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT"} {
		if _, err := c.ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	defer c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	plan := harmonise.NewPlan(n.Journal, p)
	here, err := plan.Database(ctx, c)
	if err != nil {
		return nil, err
	}
	known, err := n.knownPairs(ctx, p)
	if err != nil {
		return nil, err
	}
	m := &Matching{Comparison: match.Compare(here, there, known, decisions)}
	m.Report = m.Comparison.Report()
	waiting, err := plan.Waiting(ctx, c, m.Report.Missing())
	if err != nil {
		return nil, err
	}
	m.Report.SetWaiting(waiting.Of)
	m.Report.Waiting = waiting.Total
	return m, nil
}
