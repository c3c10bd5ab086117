package exchange

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/transport"
)

// maxAside is how many files of one sender are kept aside, and maxAsideBytes how many bytes, unless it is one file alone. Of more, the
// one that was tried longest ago is thrown away: its sender has it until it is acknowledged.
const (
	maxAside      = 20
	maxAsideBytes = 1 << 30
)

// setAside moves a file from the inbox to the folder for files that failed too often.
func setAside(home, name string) error { return moveMail(home, name, inboxName, asideName) }

// moveMail gives a file of one of the home folder's folders its name in another.
func moveMail(home, name, from, to string) error {
	if err := transport.CheckStored(name); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(home, to), 0o700); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(home, from, name), filepath.Join(home, to, name)); err != nil {
		return fmt.Errorf("move %s to %s: %w", name, to, err)
	}
	return errors.Join(durable.SyncDir(filepath.Join(home, to)), durable.SyncDir(filepath.Join(home, from)))
}

// tidyAside throws away what is aside and of no more use: its sender has sent what it holds in another file, or is no peer any more, or
// has too much there. It forgets attempts at files that are gone.
func (n *Node) tidyAside(ctx context.Context) error {
	record, err := attempts.Read(n.Home)
	if err != nil {
		return err
	}
	if len(record.Files) == 0 && !inMail(n.Home, asideName, ".") {
		return nil
	}
	folder, err := Aside(n.Home)
	if err != nil {
		return err
	}
	defer folder.Close()
	files, err := listMail(ctx, folder)
	if err != nil {
		return err
	}
	bySender := map[string][]mailFile{}
	for _, f := range files {
		p, err := journal.PeerByName(ctx, n.Journal.DB, f.header.Sender, false)
		if err != nil {
			return err
		}
		if p == nil || n.nameReached(f.Name, p) {
			if err := folder.Remove(ctx, f.Name); err != nil {
				return err
			}
			continue
		}
		bySender[p.Name] = append(bySender[p.Name], f)
	}
	for sender, of := range bySender {
		for _, f := range tooManyAside(of, record) {
			if err := folder.Remove(ctx, f.Name); err != nil {
				return err
			}
			dropped := record.Of(f.Name, f.Size)
			dropped.Sender, dropped.Dropped = sender, true
			record.Put(f.Name, dropped)
		}
	}
	if err := n.forgetGone(ctx, record); err != nil {
		return err
	}
	return record.Save()
}

// tooManyAside returns which files of one sender are not kept.
func tooManyAside(files []mailFile, record *attempts.Record) []mailFile {
	latest := slices.Clone(files)
	slices.SortStableFunc(latest, func(a, b mailFile) int { return record.Files[b.Name].Last.Compare(record.Files[a.Name].Last) })
	bytes := int64(0)
	for i, f := range latest {
		if bytes += f.Size; i > 0 && (i >= maxAside || bytes > maxAsideBytes) {
			return latest[i:]
		}
	}
	return nil
}

// forgetGone forgets the attempts at files that are neither in the inbox nor aside, and those that were dropped, once something else
// of their sender's has reached as far.
func (n *Node) forgetGone(ctx context.Context, record *attempts.Record) error {
	for key, f := range record.Files {
		if attempts.Elsewhere(key) { // of another folder, such as a stick that is away
			continue
		}
		if f.Dropped {
			p, err := journal.PeerByName(ctx, n.Journal.DB, f.Sender, false)
			if err != nil {
				return err
			}
			if p == nil || n.nameReached(key, p) {
				record.Forget(key)
			}
			continue
		}
		if !inMail(n.Home, inboxName, key) && !inMail(n.Home, asideName, key) {
			record.Forget(key)
		}
	}
	return nil
}

// inMail reports whether a file is in a folder of the home folder, as far as that can be seen.
func inMail(home, folder, name string) bool {
	_, err := os.Lstat(filepath.Join(home, folder, name))
	return !errors.Is(err, fs.ErrNotExist)
}
