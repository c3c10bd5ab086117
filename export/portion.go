package export

import (
	"database/sql"
	"database/sql/driver"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// portion is some rows of one table, as a snapshot holds them.
type portion struct {
	rows   []journal.Row
	key    [][][]byte // by key column, then row; nil is NULL
	values [][][]byte // by column that is sent, then row
	known  []merge.Row
	sights []scope.Sight // since when the peer has each row in sight; nil: it always had

	bytes int    // of the values; known of a part that was split off
	sizes []int  // bytes of each row's values
	arena []byte // where values are copied to

	lacked []journal.Row // rows that the peer lacks and that stay here for now
	unfit  int           // how many rows no batch takes

	messages *messages // of what is hashed, in place of values; nil: it never was
}

func newPortion(t *table) *portion {
	return &portion{key: make([][][]byte, len(t.KeyColumns)), values: make([][][]byte, len(t.columns))}
}

// add adds a row. values are its key columns and those that are sent; they are copied.
func (p *portion) add(row journal.Row, known merge.Row, values []sql.RawBytes) {
	for i, v := range values {
		values[i] = p.copy(v)
	}
	p.addCopied(row, known, values)
}

// addCopied is add of values that are copied already.
func (p *portion) addCopied(row journal.Row, known merge.Row, values []sql.RawBytes) {
	size := 0
	for _, v := range values[:len(p.key)+len(p.values)] { // what is looked at alone comes after these
		size += len(v)
	}
	p.rows, p.known, p.sizes = append(p.rows, row), append(p.known, known), append(p.sizes, size)
	for i := range p.key {
		p.key[i] = append(p.key[i], values[i])
	}
	for i := range p.values {
		p.values[i] = append(p.values[i], values[len(p.key)+i])
	}
}

// mostArena is how many bytes values are copied to at once, but for longer ones.
const mostArena = 1 << 20

func (p *portion) copy(v sql.RawBytes) []byte {
	if v == nil {
		return nil
	}
	p.makeRoom(len(v))
	start := len(p.arena)
	p.arena = append(p.arena, v...)
	return p.arena[start:len(p.arena):len(p.arena)]
}

// text is copy of a value as the driver has it.
func (p *portion) text(v driver.Value) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case []byte:
		return p.copy(v)
	}
	p.makeRoom(longNumber)
	start := len(p.arena)
	p.arena = sqldb.AppendText(p.arena, v)
	return p.arena[start:len(p.arena):len(p.arena)]
}

// makeRoom sees that so many bytes can be copied.
func (p *portion) makeRoom(n int) {
	if p.arena == nil || cap(p.arena)-len(p.arena) < n { // an empty text is no NULL
		p.arena = make([]byte, 0, max(1<<18, min(2*cap(p.arena), mostArena), n))
	}
}

// partBytes is how many bytes of values a block may have, unless it has one row. The columns that may be long are looked at before they are
// read; but many that are not may be too much for a block together.
const partBytes = batch.MaxBlock / 2

// split hands on the portion, cut where its values would be too many bytes for a block, or its versions too many.
func (p *portion) split(f func(*portion) error) error {
	for from := 0; from < len(p.rows); {
		to, sum, versions, wide := from, 0, 0, 0
		for ; to < len(p.rows); to++ {
			n, w := p.versions(to)
			if to > from && (sum+p.sizes[to] > partBytes || versions+n > batch.MaxVersions || wide+w > batch.MaxWideMasks) {
				break
			}
			sum, versions, wide = sum+p.sizes[to], versions+n, wide+w
		}
		if err := f(p.part(from, to, sum)); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// versions returns how many versions a row has in a file, and how many of them have masks of slots above 62, at most each.
func (p *portion) versions(i int) (n, wide int) {
	for _, g := range p.known[i].Groups {
		if !g.IsWide() {
			n++
			continue
		}
		for range g.Words() {
			n++
			wide++
		}
	}
	return n, wide
}

// part is some rows of a portion, whose values have so many bytes.
func (p *portion) part(from, to, size int) *portion {
	out := &portion{rows: p.rows[from:to], known: p.known[from:to], sizes: p.sizes[from:to], bytes: size}
	if p.sights != nil {
		out.sights = p.sights[from:to]
	}
	for _, column := range p.key {
		out.key = append(out.key, column[from:to])
	}
	for _, column := range p.values {
		out.values = append(out.values, column[from:to])
	}
	return out
}
