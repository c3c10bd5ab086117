package export

import (
	"database/sql"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// portion is some rows of one table, as a snapshot holds them.
type portion struct {
	rows   []journal.Row
	key    [][][]byte // by key column, then row; nil is NULL
	values [][][]byte // by column that is sent, then row
	known  []merge.Row

	arena []byte // where values are copied to
}

func newPortion(t *table) *portion {
	return &portion{key: make([][][]byte, len(t.KeyColumns)), values: make([][][]byte, len(t.columns))}
}

// add adds a row. values are its key columns and those that are sent; they are copied.
func (p *portion) add(row journal.Row, known merge.Row, values []sql.RawBytes) {
	p.rows, p.known = append(p.rows, row), append(p.known, known)
	for i := range p.key {
		p.key[i] = append(p.key[i], p.copy(values[i]))
	}
	for i := range p.values {
		p.values[i] = append(p.values[i], p.copy(values[len(p.key)+i]))
	}
}

func (p *portion) copy(v sql.RawBytes) []byte {
	if v == nil {
		return nil
	}
	if cap(p.arena)-len(p.arena) < len(v) {
		p.arena = make([]byte, 0, max(1<<18, len(v)))
	}
	start := len(p.arena)
	p.arena = append(p.arena, v...)
	return p.arena[start:len(p.arena):len(p.arena)]
}
