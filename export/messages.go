package export

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"math"
	"slices"
	"strconv"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// messages are what the contents of rows are hashed of, made value by value as the rows are read: a portion holds them in place of columns of values.
type messages struct {
	b      []byte
	spans  []span       // of the rows
	refers []bool       // by column of the table
	refs   []referrings // by column of the table
}

// span is where a row's message is.
type span struct{ from, to int }

// referrings are the references of a column.
type referrings struct {
	to []int64 // the integers of rows
	at []int   // where in the messages the hash of the row's key goes
}

// isPlain reports whether each row of the table can be hashed as it is read, but for the keys of what it refers to by integers.
func (t *table) isPlain() bool {
	return t.filters == nil && !slices.ContainsFunc(t.columns, func(c *schema.Column) bool {
		return c.Ref != nil && (c.Ref.When != nil || c.Ref.ByName() || c.Ref.Beside)
	})
}

// reset makes it empty, for rows of a table. Of a table that is not plain it stays so.
func (m *messages) reset(t *table) {
	if m == nil {
		return
	}
	m.b, m.spans = m.b[:0], m.spans[:0]
	if cap(m.b) > blockBytes {
		m.b = nil
	}
	m.refers = m.refers[:0]
	for _, c := range t.columns {
		m.refers = append(m.refers, c.Ref != nil)
	}
	m.refs = slices.Grow(m.refs[:0], len(t.columns))[:len(t.columns)]
	for i := range m.refs {
		m.refs[i].to, m.refs[i].at = m.refs[i].to[:0], m.refs[i].at[:0]
	}
}

// addMessage adds a row to a portion, to be hashed, and returns of how many bytes its values are; false if a batch does not
// take it.
func (r *reader) addMessage(p *portion, row journal.Row, values []driver.Value) (int, bool) {
	if p.messages == nil {
		p.messages = &messages{b: make([]byte, 0, mostArena)}
		p.messages.reset(r.t)
	}
	sum, ok := fits(values)
	if !ok {
		return 0, false
	}
	m, nkey := p.messages, len(r.t.KeyColumns)
	start, b := len(m.b), r.seed.AppendHead(m.b)
	for i, v := range values[nkey:] {
		if v == nil || !m.refers[i] {
			b = appendValue(b, v)
			continue
		}
		var at int
		b, at = digest.AppendRef(b)
		if n, ok := referred(v); ok {
			m.refs[i].to, m.refs[i].at = append(m.refs[i].to, n), append(m.refs[i].at, at)
		}
	}
	m.b = b
	m.spans = append(m.spans, span{start, len(m.b)})
	p.rows, p.known, p.sizes = append(p.rows, row), append(p.known, merge.Row{}), append(p.sizes, sum)
	for i, v := range values[:nkey] {
		text, is := v.([]byte)
		if !is && v != nil {
			text = sqldb.AppendText(nil, v)
		}
		p.key[i] = append(p.key[i], p.copy(text))
	}
	return sum, true
}

// longNumber is how many bytes a number's text has at most.
const longNumber = 24

// fits is rowFits for values as the driver has them, with about how many bytes they are.
func fits(values []driver.Value) (sum int, ok bool) {
	longest := 0
	for _, v := range values {
		switch v := v.(type) {
		case nil:
		case []byte:
			sum, longest = sum+len(v), max(longest, len(v))
		default:
			sum += longNumber
		}
	}
	if longest <= batch.MaxValue && sum-longest <= batch.MaxBlock {
		return sum, true
	}
	texts := make([]sql.RawBytes, len(values))
	for i, v := range values {
		texts[i] = sqldb.AppendText(nil, v)
	}
	return sum, rowFits(texts)
}

// appendValue appends a plain value to a message, as its text.
func appendValue(b []byte, v driver.Value) []byte {
	switch v := v.(type) {
	case nil:
		return digest.AppendPlain(b, nil)
	case []byte:
		return digest.AppendPlain(b, v)
	case int64:
		return digest.AppendInt(b, v)
	}
	return digest.AppendPlain(b, sqldb.AppendText(nil, v))
}

// referred returns the integer that a reference's value is.
func referred(v driver.Value) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case uint64:
		return int64(min(v, math.MaxInt64)), v <= math.MaxInt64
	}
	n, err := strconv.ParseInt(string(sqldb.AppendText(nil, v)), 10, 64)
	return n, err == nil
}

// refer fills in the keys of the rows that a portion's messages refer to.
func (x *prover) refer(ctx context.Context, t *table, m *messages, ask func(func() error) error) error {
	for i, c := range t.columns {
		refs := m.refs[i]
		if len(refs.to) == 0 {
			continue
		}
		if unread, unchecked := x.dict.unknownRows(c.Ref.To, refs.to); len(unread)+len(unchecked) > 0 {
			if err := ask(func() error { return x.dict.takeIn(ctx, c.Ref.To, unread, unchecked) }); err != nil {
				return err
			}
		}
		lookup := x.dict.lookup(c.Ref.To)
		for n, to := range refs.to {
			if index := lookup.index(to); index >= batch.FirstRef {
				copy(m.b[refs.at[n]:], x.hasher.hashes.of(index)[:])
			}
		}
	}
	return nil
}
