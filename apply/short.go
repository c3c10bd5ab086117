package apply

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// missedError means that it is not known here which rows a batch names by the beginnings of their keys: they are gone, or others begin so too.
type missedError struct {
	table string // of the first
}

func (e *missedError) Error() string {
	return fmt.Sprintf("it names a row of %s by the beginning of its key, and that row is not here or not the only one that begins so: its sender sends it again with whole keys", e.table)
}

// shortName is a key of which a batch has the beginning.
type shortName struct {
	prefix string
	key    string // the whole one; "": not found
	many   bool   // several begin so
}

// wholeKeys finds the keys of which a batch has the beginning, before anything of it is applied: all of them, in the order of the file. Each is as the sender
// has it, in small letters. They are those of rows that are here, or of which it is known that they were deleted here, or wait. A *missedError says that they
// are not the sender's.
func (l *peerLink) wholeKeys(ctx context.Context, r *batch.Reader) ([][]byte, error) {
	var order []*shortName
	var tables []string // of each of them, as the sender calls it
	byTable := map[*schema.Table]map[string]*shortName{}
	names := map[uint32]string{}
	var said [8]byte
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch i := item.(type) {
		case *batch.TableItem:
			names[i.Number] = i.Table.Name
		case *batch.ShortKeysItem:
			t := l.j.Catalogue.Named(names[i.Table]) // nil: it is not here
			of := byTable[t]
			if of == nil {
				of = map[string]*shortName{}
				byTable[t] = of
			}
			for _, p := range i.Prefixes {
				if of[string(p)] == nil {
					of[string(p)] = &shortName{prefix: string(p)}
				}
				order, tables = append(order, of[string(p)]), append(tables, names[i.Table])
			}
		case *batch.ShortCheckItem:
			said = i.Sum
		}
	}
	for table, names := range byTable {
		if err := l.findBeginnings(ctx, table, names); err != nil {
			return nil, err
		}
	}
	var sum batch.ShortSum
	out := make([][]byte, len(order))
	for i, n := range order {
		if n.key == "" || n.many {
			return nil, &missedError{tables[i]}
		}
		out[i] = []byte(n.key)
		sum.Add(tables[i], out[i])
	}
	if len(order) > 0 && sum.Sum() != said {
		return nil, &missedError{tables[0]}
	}
	return out, nil
}

// findBeginnings finds keys of a table's rows by their beginnings.
func (l *peerLink) findBeginnings(ctx context.Context, t *schema.Table, names map[string]*shortName) error {
	if t == nil || !rowkey.MayBegin(t) || l.j.Tables[t.Name] == nil || !l.j.On(t, l.peer).NamesShort(len(l.j.Filters(t, l.peer)) > 0 || l.scopes.filters(t)) {
		return nil
	}
	id := l.j.Tables[t.Name].ID
	var prefixes rowkey.Beginnings
	for p := range names {
		prefixes.Add([]byte(p))
	}
	note := func(key string) {
		prefixes.Each(key, func(prefix string) {
			if found := names[prefix]; found.key != key {
				found.key, found.many = key, found.key != ""
			}
		})
	}
	l.aliases.Theirs(id, note)
	all, err := rowkey.Beginning(ctx, l.s.conn, t, prefixes.Texts, rowkey.Limit(len(prefixes.Texts)), note)
	if err != nil {
		return err
	}
	var rest [][]byte
	for p, n := range names {
		if n.many = n.many || !all; n.key == "" {
			rest = append(rest, []byte(p))
		}
	}
	if len(rest) == 0 || !all {
		return nil
	}
	all, err = journal.KeysBeginning(ctx, l.s.conn, l.peer.ID, id, rest, rowkey.Limit(len(rest)), note)
	for _, p := range rest {
		n := names[string(p)]
		n.many = n.many || !all
	}
	return err
}

// shortKeys reads a batch up to its end for the keys of which it has the beginning, and has its reader know them.
func (a *attempt) shortKeys(ctx context.Context, l *peerLink, r *batch.Reader) error {
	ahead, err := a.open()
	if err != nil {
		return err
	}
	defer ahead.Close()
	keys, err := l.wholeKeys(ctx, ahead)
	if err == nil {
		takeShort(r, keys)
	}
	return err
}

// takeShort has the reader of a batch know the whole keys, as wholeKeys returned them.
func takeShort(r *batch.Reader, keys [][]byte) {
	r.TakeShort(func(_ string, prefixes [][]byte) ([][]byte, error) {
		n := len(prefixes)
		if n > len(keys) {
			return nil, fmt.Errorf("%w: the file changed while it was read", batch.ErrCorrupt)
		}
		of := keys[:n]
		keys = keys[n:]
		return of, nil
	})
}
