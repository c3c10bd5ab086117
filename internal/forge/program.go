package forge

import "github.com/omsync/omsync/batch"

// Program turns bytes into items that no writer writes, two or three bytes each: what a mutation finds in few steps, and what plain bytes
// of a stream would hardly ever be. Nothing of the items is kept, and one item is never larger than [MaxProgramItem].
type Program struct {
	Tables []Form // that tables are made of, beside those of random columns
	Epoch  uint64 // of versions
	Rows   uint64 // of a block at most; 0: somewhat more than may be

	ops    []byte
	dict   uint64
	known  map[string]bool
	keys   []int // of each table, how many columns its key has
	room   int64 // bytes that the item may still have
	totals [4]uint64
}

// Form is a table that the receiver has.
type Form struct {
	Name         string
	Key, Columns []any // as [Column] makes them
}

// MaxProgramItem is about how many bytes an item of a program has at most.
const MaxProgramItem = 4 << 20

// pool are texts that matter to a receiver of wards.
var pool = []string{"w-1", "w-2", "b-1", "n-1", "", "1", "1e-", "-1", "2026-01-31", "a", "a'b\\", "\x00\xff", "0x1", "99999999999999999999", "surgery", "maternity with a very long name"}

// Write reads the bytes as items, and again as often as is said, writes them, and ends when so many bytes are written or the stream
// has failed; then comes the end that they call for. What is written before is at most one item more.
func (p *Program) Write(s *Stream, ops []byte, again int, most int64) {
	for ; again >= 0 && s.n < most && s.err == nil; again-- {
		for p.ops = ops; len(p.ops) > 0 && s.n < most && s.err == nil; {
			s.Item(p.item()...)
			p.totals[0]++
		}
	}
	s.Item(End, p.totals[0], p.totals[1], p.totals[2], p.totals[3])
}

func (p *Program) byte() byte {
	if len(p.ops) == 0 {
		return 0
	}
	b := p.ops[0]
	p.ops = p.ops[1:]
	return b
}

// number returns one of few numbers that matter, up to five above a limit.
func (p *Program) number(limit uint64) uint64 {
	b := uint64(p.byte())
	switch {
	case b < 200:
		return min(b, limit)
	case b < 230:
		return limit >> (b - 200)
	case limit+b < 250:
		return 0
	}
	return limit + b - 250
}

// rows is how many rows a block has.
func (p *Program) rows() uint64 {
	n := p.number(batch.MaxBlockRows)
	if p.Rows > 0 {
		n = min(n, p.Rows)
	}
	return n
}

// zeros returns as many bytes as is said, if the item has room for them.
func (p *Program) zeros(limit uint64) []byte {
	n := min(int64(p.number(limit)), p.room)
	p.room -= n
	return make([]byte, n)
}

// column is a column of values.
func (p *Program) column() []any {
	p.room -= 64
	switch p.byte() % 8 {
	case 0:
		return []any{Absent}
	case 1:
		return All(p.zeros(1 << 20))
	case 2:
		return []any{Refs, Run(p.number(p.dict+2), uint64(p.byte()%2))}
	case 3:
		return []any{Int, Run(p.number(1<<40), uint64(p.byte()%2))}
	case 4:
		return []any{Split, []byte{p.byte()}, []any{Const, nil}, All([]byte{p.byte()})}
	case 5:
		return []any{Dict, 1, All(p.zeros(1 << 16)), Run(0, 0)}
	case 6:
		return []any{Const, nil}
	}
	return All([]byte(pool[int(p.byte())%len(pool)]))
}

func (p *Program) columns(limit uint64) []any {
	out := []any{}
	for range p.number(limit) {
		if p.room > 0 {
			out = append(out, p.column())
		} else {
			out = append(out, []any{Absent})
		}
	}
	return out
}

// time is that of versions.
func (p *Program) time() uint64 {
	return []uint64{5, 0, 1767225600000000, 2100000000000000, batch.MaxTime, 221845392000000000}[p.byte()%6]
}

func (p *Program) author() []any {
	return Authors([]string{"x", "stolen", "hub", "a name that is none"}[p.byte()%4])
}

// item returns the next item.
func (p *Program) item() []any {
	p.room = MaxProgramItem
	table := p.number(uint64(len(p.keys)))
	kind := p.byte() % 9
	switch kind {
	case 0:
		return p.table()
	case 1, 2:
		n := p.rows()
		var parts []any
		for range p.parts(table) {
			parts = append(parts, p.column())
		}
		first := p.dict + uint64(batch.FirstRef)
		p.dict += n
		return []any{Keys, table, first, n, parts}
	case 3:
		p.dict = 0
		return []any{Reset}
	case 7:
		p.dict, p.keys, p.known = 0, nil, nil
		return []any{Section}
	case 5:
		n := p.rows()
		p.totals[2] += n
		return []any{Deletions, table, n, Run(p.number(p.dict+2), 1), Run(p.time(), 0), p.author(), Run(p.Epoch, 0)}
	case 6:
		n := p.rows()
		p.totals[3] += n
		return []any{Records, table, n, Run(p.number(p.dict+2), 1), Authors("name"), p.column(), nil, Run(p.time(), 0), p.author(), Run(p.time(), 0), p.author(), Run(p.time(), 0), Run(p.Epoch, 0)}
	}
	if kind == 8 {
		return p.shortKeys(table)
	}
	n := p.rows()
	p.totals[1] += n
	key, groups := Run(p.number(p.dict+2), 1), p.byte()
	var in any = Run(uint64(groups%66), 0)
	masks := uint64(1)
	if groups%2 == 0 { // one version for each row
		in, masks = nil, uint64(groups)|1
	}
	return []any{Rows, table, n, key, nil, in, Run(masks, 0), Run(p.time(), 0), p.author(), Run(p.Epoch, 0), p.columns(300)}
}

// shortKeys are keys of which the file has the beginning, or their check.
func (p *Program) shortKeys(table uint64) []any {
	width := p.number(17)
	if width > 16 {
		return []any{ShortCheck, make([]byte, 8)}
	}
	n, first := p.rows(), p.dict+uint64(batch.FirstRef)
	p.dict += n
	if width == 0 {
		return []any{ShortKeys, table, first, n, width, p.column()}
	}
	return []any{ShortKeys, table, first, n, width, make([]byte, min(n*width, uint64(max(p.room, 0))))}
}

// parts returns how many columns a table's key has, or any other number.
func (p *Program) parts(table uint64) int {
	if b := int(p.byte()); b > 3 || table >= uint64(len(p.keys)) {
		return 1 + b%4
	}
	return p.keys[table]
}

func (p *Program) table() []any {
	number := len(p.keys)
	if len(p.Tables) > 0 {
		if kind := int(p.byte()); kind < 200 {
			f := p.Tables[kind%len(p.Tables)]
			if p.known[f.Name] { // twice would end the batch
				p.dict = 0
				return []any{Reset}
			}
			if p.known == nil {
				p.known = map[string]bool{}
			}
			p.known[f.Name] = true
			p.keys = append(p.keys, len(f.Key))
			return []any{Table, number, f.Name, f.Name, f.Key, f.Columns}
		}
	}
	var key []any
	columns := []any{}
	name := func(i uint64) string { return string(rune('a' + i)) }
	for i := range 1 + min(p.number(4), 9) {
		key = append(key, []any{name(i), 0, p.byte() & 1, 0})
	}
	for i := range p.number(300) {
		columns = append(columns, []any{name(i), 0, p.byte() & 1, i % 64})
	}
	p.keys = append(p.keys, len(key))
	of := name(uint64(number))
	return []any{Table, number, of, of, key, columns}
}
