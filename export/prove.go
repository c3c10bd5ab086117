package export

import (
	"context"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
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
			r.seed, r.free = x.sum.Seed, x.free
			if err := r.eachWhole(ctx, func(p *portion) error { return put(page{t, numbers[i], p}) }); err != nil {
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
	if indexes, err = x.asRead(x.dict, t, p); indexes != nil || err != nil {
		return indexes, err
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
