package export

import (
	"context"
	"fmt"
	"strconv"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// values makes a column of a block of a column's values: plain, or references as indexes of the dictionary.
func (x *exporter) values(ctx context.Context, dict *dictionary, t *table, c *schema.Column, p *portion, values [][]byte) (batch.Values, error) {
	switch {
	case c.Ref == nil:
		return batch.Values{Bytes: values}, nil
	case c.Ref.When == nil && c.Ref.ByName():
		out, err := dict.names(c.Ref.To, values)
		if c.Ref.Beside && !c.Key {
			out.Bytes = values
		}
		return out, err
	}
	out := batch.Values{Refs: make([]uint32, len(values))}
	if c.Ref.When == nil {
		if err := dict.addReferred(ctx, c.Ref.To, values); err != nil {
			return batch.Values{}, err
		}
		for i, v := range values {
			if v != nil {
				out.Refs[i] = dict.index(c.Ref.To, v)
			}
		}
	} else if err := x.chosen(ctx, dict, t, c, p, values, &out); err != nil {
		return batch.Values{}, err
	}
	if c.Ref.Beside && !c.Key {
		out.Bytes = values
	}
	return out, nil
}

// chosen makes a column whose values refer to rows of a table that other values choose, or to none.
func (x *exporter) chosen(ctx context.Context, dict *dictionary, t *table, c *schema.Column, p *portion, values [][]byte, out *batch.Values) error {
	targets, err := x.targets(ctx, t, c, p, values)
	if err != nil {
		return err
	}
	wanted := map[*schema.Table][][]byte{}
	for i, to := range targets {
		if to != nil && values[i] != nil {
			wanted[to] = append(wanted[to], values[i])
		}
	}
	for to, integers := range wanted {
		if err := dict.addReferred(ctx, to, integers); err != nil {
			return err
		}
	}
	out.Bytes = make([][]byte, len(values))
	for i, to := range targets {
		switch {
		case to == nil:
			out.Bytes[i] = values[i]
		case values[i] != nil:
			out.Refs[i] = dict.index(to, values[i])
			if out.Refs[i] == batch.RefNowhere && c.Ref.Beside {
				out.Refs[i] = batch.RefNull // what may be a number and finds no row was none
			}
		}
	}
	return nil
}

// beside returns the columns of a table whose keys are sent beside their values, in order.
func beside(t *table) (out []*schema.Column) {
	for _, c := range t.columns {
		if c.Ref != nil && c.Ref.Beside {
			out = append(out, c)
		}
	}
	return out
}

// partBeside puts the keys of such columns into columns of their own, behind the others.
func partBeside(t *table, b *batch.Rows) {
	for i, c := range t.columns {
		if c.Ref != nil && c.Ref.Beside {
			b.Columns = append(b.Columns, batch.Values{Refs: b.Columns[i].Refs})
			b.Columns[i].Refs = nil
		}
	}
}

// sendsIntegers reports whether rows go with their integers here.
func (t *table) sendsIntegers() bool {
	return !t.match && t.Integer != nil && t.Integer.Local && t.rules.SendsIntegers()
}

// addIntegers puts them into a column of their own, behind all others.
func addIntegers(t *table, p *portion, b *batch.Rows) {
	if !t.sendsIntegers() {
		return
	}
	values, arena := make([][]byte, len(p.rows)), make([]byte, 0, 12*len(p.rows))
	for i, r := range p.rows {
		start := len(arena)
		arena = strconv.AppendInt(arena, r.Int, 10)
		values[i] = arena[start:len(arena):len(arena)]
	}
	b.Columns = append(b.Columns, batch.Values{Bytes: values})
}

// targets returns which table each row's value refers to, of a column of which other values decide that; nil for a plain value.
func (x *exporter) targets(ctx context.Context, t *table, c *schema.Column, p *portion, values [][]byte) ([]*schema.Table, error) {
	out := make([]*schema.Table, len(values))
	discriminators, err := p.column(t, c.Ref.When.Decides())
	if err != nil {
		return nil, err
	}
	var formats func(string) string
	err = x.ask(func() (err error) {
		formats, err = journal.Discriminator(ctx, x.snap, c.Ref.When)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		if _, plain := number(values[i]); plain || discriminators[i] == nil {
			continue
		}
		out[i] = c.Ref.When.Target(formats(string(discriminators[i])))
	}
	return out, nil
}

// column returns a column of the portion, whether it is part of the key or sent.
func (p *portion) column(t *table, c *schema.Column) ([][]byte, error) {
	for i, k := range t.KeyColumns {
		if k == c {
			return p.key[i], nil
		}
	}
	for i, k := range t.columns {
		if k == c {
			return p.values[i], nil
		}
	}
	return nil, fmt.Errorf("%s.%s decides about a reference and is not sent: take it off the excluded columns", t.Name, c.Name)
}

// number is a row's integer, or says that a value is plain text.
func number(v []byte) (n int64, plain bool) {
	if len(v) == 0 || len(v) > 18 {
		return 0, true
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, true
		}
		n = 10*n + int64(c-'0')
	}
	return n, false
}
