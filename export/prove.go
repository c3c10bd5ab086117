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

// page is what is hashed at once.
type page struct {
	t      *table
	number int // of the table in the digest
	rows   *portion
}

// each hands on the rows of all tables, whose numbers in the digest are given, and says when it has had all of a table. While rows are read, those before
// are hashed.
func (x *prover) each(ctx context.Context, numbers []int, f func(*table, int, seen) error, end func(*table, int) error) error {
	return inTwo(ctx, func(ctx context.Context, put func(page) error) error {
		for i, t := range x.tables {
			r := newReader(x.plan, t)
			r.seed = x.sum.Seed
			if err := r.eachWhole(ctx, x.free, func(p *portion) error { return put(page{t, numbers[i], p}) }); err != nil {
				return err
			}
			if err := put(page{t: t, number: numbers[i]}); err != nil {
				return err
			}
		}
		return nil
	}, func(p page, ask func(func() error) error) error {
		if p.rows == nil {
			return ask(func() error { return end(p.t, p.number) })
		}
		if err := x.hash(ctx, p, ask, f); err != nil {
			return err
		}
		select {
		case x.free <- p.rows:
		default:
		}
		return nil
	})
}

// hash hashes the rows of a portion. The keys come first: rows of one table often refer to each other. What it needs of the database it asks for.
func (x *prover) hash(ctx context.Context, of page, ask func(func() error) error, f func(*table, int, seen) error) error {
	t, p := of.t, of.rows
	if err := x.dict.makeRoom(len(p.rows) * (2 + len(t.columns))); err != nil {
		return err
	}
	keys, err := x.rowKeys(ctx, t, p, ask)
	if err != nil {
		return err
	}
	content, err := x.contents(ctx, t, p, ask)
	if err != nil {
		return err
	}
	for i, row := range p.rows {
		if keys[i] == batch.RefNull { // nothing identifies it
			continue
		}
		id := x.hasher.Row(t.Name, of.number, *x.hasher.hashes.of(keys[i]))
		if err := f(t, of.number, seen{id, content(i, id), row, p.known[i]}); err != nil {
			return err
		}
	}
	return nil
}

// contents returns what hashes the content of each row of a portion.
func (x *prover) contents(ctx context.Context, t *table, p *portion, ask func(func() error) error) (func(i int, id digest.Row) uint64, error) {
	if m := p.messages; m != nil && len(m.spans) > 0 {
		return func(i int, id digest.Row) uint64 {
			return digest.Message(m.b[m.spans[i].from:m.spans[i].to]).Content(id)
		}, x.refer(ctx, t, m, ask)
	}
	columns := make([]batch.Values, len(t.columns))
	values := make([]digest.Value, len(t.columns))
	err := ask(func() (err error) {
		for i, c := range t.columns {
			if columns[i], err = x.values(ctx, x.dict, t, c, p, p.values[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return func(i int, id digest.Row) uint64 {
		for c := range columns {
			values[c] = x.hasher.hashes.value(columns[c], i)
		}
		return x.hasher.Content(id, values)
	}, err
}

// rowKeys is keyIndexes, without making texts of keys that are to be hashed as they are.
func (x *prover) rowKeys(ctx context.Context, t *table, p *portion, ask func(func() error) error) (indexes []uint32, err error) {
	switch {
	case t.Integer == nil:
	case t.Key == schema.KeyParent:
		if out := x.dict.inherited(t.Table, p.rows); out != nil {
			return out, nil
		}
	case t.Key == schema.KeyUUID && !x.aliases.Any(t.meta.ID) && plainKeys(p.key[0]):
		return x.dict.addPlain(t.Table, p.rows, p.key[0])
	}
	var keys []string
	err = ask(func() (err error) {
		keys, indexes, err = x.keyIndexes(ctx, x.dict, t, p)
		return err
	})
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
			if missing == nil { // mostly all are
				missing, at = make([][]byte, 0, len(rows)-i), make([]int, 0, len(rows)-i)
			}
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

// inTwo hands on what one function makes to another, which runs beside it, in order. What the other asks for is done between two of these, by the
// first, whose the connection is. The context of the first ends when the second errs.
func inTwo[T any](ctx context.Context, from func(ctx context.Context, put func(T) error) error, to func(item T, ask func(func() error) error) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	items, asked, done := make(chan T, queued), make(chan func()), make(chan error, 1)
	ask := func(f func() error) error {
		answer := make(chan error, 1)
		asked <- func() { answer <- f() }
		return <-answer
	}
	go func() {
		var err error
		for item := range items {
			if err == nil {
				if err = to(item, ask); err != nil {
					cancel()
				}
			}
		}
		done <- err
	}()
	err := from(ctx, func(item T) error {
		for {
			select {
			case items <- item:
				return nil
			case f := <-asked:
				f()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	close(items)
	for {
		select {
		case f := <-asked:
			f()
		case failed := <-done:
			if failed != nil {
				return failed
			}
			return err
		}
	}
}
