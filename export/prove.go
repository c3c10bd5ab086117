package export

import (
	"context"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// queued is how many portions wait to be hashed, while the next one is read: each may hold a row of any length.
const queued = 1

// prover hashes rows.
type prover struct {
	*exporter
	sum    *digest.Digest
	hasher *keyHasher
	dict   *dictionary
	free   chan *portion // that were hashed, to be used again
	rows   int64
}

func newProver(p *plan, sum *digest.Digest) *prover {
	h := &keyHasher{Hasher: digest.NewHasher(sum.Seed), catalogue: p.j.Catalogue}
	return &prover{exporter: &exporter{plan: p}, sum: sum, hasher: h, dict: newDictionary(p, h), free: make(chan *portion, queued+2)}
}

// seen is a row that was read.
type seen struct {
	id      digest.Row
	content uint64
	local   journal.Row
	known   merge.Row
}

// each hands on the rows of a table, whose number in the digest is given. While the next rows are read, those before are hashed.
func (x *prover) each(ctx context.Context, t *table, number int, f func(seen) error) error {
	hasher := digest.NewHasher(x.sum.Seed)
	values := make([]digest.Value, len(t.columns))
	return inTwo(ctx, func(ctx context.Context, put func(*keyed) error) error {
		return newReader(x.plan, t).eachWhole(ctx, x.free, func(p *portion) error {
			k, err := x.keyed(ctx, t, p)
			if err != nil {
				return err
			}
			return put(k)
		})
	}, func(k *keyed) error {
		for i, row := range k.rows {
			if k.keys[i] == batch.RefNull {
				continue
			}
			for c := range k.columns {
				values[c] = k.hashes.value(k.columns[c], i)
			}
			id := hasher.Row(t.Name, number, *k.hashes.of(k.keys[i]))
			if err := f(seen{id, hasher.Content(id, values), row, k.known[i]}); err != nil {
				return err
			}
		}
		select {
		case x.free <- k.portion:
		default:
		}
		return nil
	})
}

// keyed is a portion whose keys and references were found. It needs the database no more.
type keyed struct {
	*portion
	keys    []uint32       // of the rows; batch.RefNull for one that nothing identifies
	columns []batch.Values // those that are compared
	hashes  hashes         // what the indexes in both stand for
}

// keyed finds the keys and references of a portion. The keys come first: rows of one table often refer to each other.
func (x *prover) keyed(ctx context.Context, t *table, p *portion) (*keyed, error) {
	if err := x.dict.makeRoom(len(p.rows) * (2 + len(t.columns))); err != nil {
		return nil, err
	}
	k := &keyed{portion: p, columns: make([]batch.Values, len(t.columns))}
	var err error
	if k.keys, err = x.rowKeys(ctx, t, p); err != nil {
		return nil, err
	}
	for i, c := range t.columns {
		if k.columns[i], err = x.values(ctx, x.dict, t, c, p, p.values[i]); err != nil {
			return nil, err
		}
	}
	k.hashes = x.hasher.hashes // what is added later is behind these
	return k, nil
}

// rowKeys is keyIndexes, without making texts of keys that are to be hashed as they are.
func (x *prover) rowKeys(ctx context.Context, t *table, p *portion) ([]uint32, error) {
	switch {
	case t.Integer == nil:
	case t.Key == schema.KeyParent:
		if out := x.dict.inherited(t.Table, p.rows); out != nil {
			return out, nil
		}
	case t.Key == schema.KeyUUID && !x.aliases.Any(t.meta.ID) && plainKeys(p.key[0]):
		return x.dict.addPlain(t.Table, p.rows, p.key[0])
	}
	keys, indexes, err := x.keyIndexes(ctx, x.dict, t, p)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		if key == "" {
			indexes[i] = batch.RefNull
		}
	}
	return indexes, nil
}

// addPlain is addRows for rows that have integers, and keys of one text as they were read.
func (d *dictionary) addPlain(t *schema.Table, rows []journal.Row, keys [][]byte) ([]uint32, error) {
	byInteger, out := d.byInteger.of(t), make([]uint32, len(rows))
	var missing [][]byte
	var at []int
	for i, r := range rows {
		if out[i] = byInteger.get(r.Int); out[i] < batch.FirstRef {
			missing, at = append(missing, keys[i]), append(at, i)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	n, err := d.number(t)
	if err != nil {
		return nil, err
	}
	first, err := d.w.Keys(n, []batch.Values{{Bytes: missing}})
	if err != nil {
		return nil, err
	}
	for j, i := range at {
		out[i] = first + uint32(j)
		byInteger.set(rows[i].Int, out[i])
	}
	return out, nil
}

// inherited returns the indexes of rows that have the keys of others, which the dictionary holds all; nil if it does not.
func (d *dictionary) inherited(t *schema.Table, rows []journal.Row) []uint32 {
	byInteger, parent, out := d.byInteger.of(t.Root), t.KeyColumns[0].Ref.To, make([]uint32, len(rows))
	for i, r := range rows {
		if out[i] = byInteger.get(r.Int); out[i] < batch.FirstRef || parent != t.Root && d.exists.of(parent).get(r.Int) != present {
			return nil
		}
	}
	exists := d.exists.of(t)
	for _, r := range rows {
		exists.set(r.Int, present)
	}
	return out
}

// plainKeys reports whether values are keys as they are: none is NULL, empty or very long.
func plainKeys(values [][]byte) bool {
	for _, v := range values {
		if len(v) == 0 || len(v) > batch.MaxKey/2 {
			return false
		}
	}
	return true
}

// inTwo hands on what one function makes to another, which runs beside it, in order. The context of the first ends when the second errs.
func inTwo[T any](ctx context.Context, from func(ctx context.Context, put func(T) error) error, to func(T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	items, done := make(chan T, queued), make(chan error, 1)
	go func() {
		var err error
		for item := range items {
			if err == nil {
				if err = to(item); err != nil {
					cancel()
				}
			}
		}
		done <- err
	}()
	err := from(ctx, func(item T) error {
		select {
		case items <- item:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	close(items)
	if failed := <-done; failed != nil {
		return failed
	}
	return err
}
