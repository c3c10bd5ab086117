package exchange

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/transport"
)

// Held is a file that came and is not applied: in the inbox, or aside.
type Held struct {
	Name   string
	Sender string // as its header says; "" if that cannot be read
	Bytes  int64
	Aside  bool
	Failed int       // attempts at it that failed
	Last   time.Time // when the last one began; zero: none
	Next   time.Time // when it is due; zero: at the next import, or never, if it is aside
	Why    string    // what the last attempt found
	// Deletions are why it waits for a person; none: it does not.
	Deletions []attempts.Deletions
}

// ListHeld lists the files in the inbox and aside, by name.
func ListHeld(ctx context.Context, home string, now time.Time) ([]Held, error) {
	record, err := attempts.Read(home)
	if err != nil {
		return nil, err
	}
	var out []Held
	for _, aside := range []bool{false, true} {
		files, err := heldIn(ctx, home, aside)
		if err != nil {
			return nil, err
		}
		for _, h := range files {
			f := record.Of(h.Name, h.Bytes)
			h.Failed, h.Last, h.Why, h.Deletions = f.Failed, f.Last, f.Why, f.Deletions
			if verdict, until := f.Judge(now); verdict == attempts.Wait && !aside {
				h.Next = until
			}
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b Held) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// heldIn lists one of the two folders, which need not be there. The header of each file says who sent it.
func heldIn(ctx context.Context, home string, aside bool) ([]Held, error) {
	folder, err := transport.OpenFolder(mailPath(home, aside))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer folder.Close()
	entries, err := folder.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []Held
	for _, e := range entries {
		h := Held{Name: e.Name, Bytes: e.Size, Aside: aside}
		if header, err := headerIn(ctx, folder, e.Name); err == nil {
			h.Sender = header.Sender
		}
		out = append(out, h)
	}
	return out, nil
}

// Retry has files tried at the next import, as if they had just come: those of these names, or all that failed if none is named. It
// returns their names. With no name, what failed in other folders and stores is looked at again, too. fs.ErrNotExist: one that is named is not there.
func Retry(ctx context.Context, home string, names []string) ([]string, error) {
	return eachHeld(ctx, home, names, func(h Held) bool { return h.Aside || h.Failed > 0 || h.Deletions != nil }, func(record *attempts.Record, h Held) error {
		record.Forget(h.Name)
		if !h.Aside {
			return nil
		}
		return moveMail(home, h.Name, asideName, inboxName)
	})
}

// Drop throws files away for good. What they hold comes in another file of their sender's, for it is not acknowledged; these are not
// fetched again. fs.ErrNotExist: one that is named is not there.
func Drop(ctx context.Context, home string, names []string) ([]string, error) {
	return eachHeld(ctx, home, names, func(Held) bool { return false }, func(record *attempts.Record, h Held) error {
		f := record.Of(h.Name, h.Bytes)
		f.Sender, f.Dropped, f.UnderWay = h.Sender, true, false
		record.Put(h.Name, f)
		folder, err := transport.OpenFolder(mailPath(home, h.Aside))
		if err != nil {
			return err
		}
		defer folder.Close()
		return folder.Remove(ctx, h.Name)
	})
}

// eachHeld does something with the files of some names, or with those that are wanted if none is named, and keeps the record.
func eachHeld(ctx context.Context, home string, names []string, wanted func(Held) bool, do func(*attempts.Record, Held) error) ([]string, error) {
	held, err := ListHeld(ctx, home, time.Now())
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(held, func(h Held) bool { return h.Name == name }) {
			return nil, fmt.Errorf("no file %s in the inbox or aside: %w", name, fs.ErrNotExist)
		}
	}
	record, err := attempts.Read(home)
	if err != nil {
		return nil, err
	}
	var done []string
	for _, h := range held {
		if len(names) > 0 && !slices.Contains(names, h.Name) || len(names) == 0 && !wanted(h) {
			continue
		}
		if err := do(record, h); err != nil && !errors.Is(err, os.ErrNotExist) {
			return done, errors.Join(err, record.Save())
		}
		done = append(done, h.Name)
	}
	if len(names) == 0 {
		record.ForgetElsewhere()
	}
	return done, record.Save()
}
