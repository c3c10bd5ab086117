package batch

func (r *Reader) readValues(want, n int) []Values {
	r.array("columns", want, want)
	r.spend(cellCost * want * n)
	var list []Values
	for range want {
		list = append(list, r.column(n))
		if r.in.err != nil {
			return nil
		}
	}
	return list
}

func (r *Reader) readRows() *Rows {
	table, n := r.block(func(t *Table) int { return len(t.Columns) })
	if r.in.err != nil {
		return nil
	}
	b := &Rows{Table: table, Keys: r.refs(n)}
	if !r.null() {
		b.Acks = r.series("acknowledgements", n)
	}
	total := n
	if !r.null() {
		b.Groups = narrow[int](&r.in, "groups", r.series("groups", n), uint64(r.maxSlot())+1)
		total = 0
		for _, g := range b.Groups {
			total += g
		}
		if total > MaxVersions {
			r.fail("block has %d versions, more than %d", total, MaxVersions)
			return nil
		}
	}
	b.Masks = r.series("masks", total)
	b.Times = r.times(total)
	b.Authors = r.strings("author", total, MaxName)
	b.Epochs = r.series("epochs", total)
	if r.in.err != nil {
		return nil
	}
	b.Columns = r.readValues(len(r.tables[table].Columns), n)
	if r.in.err == nil {
		r.accept(r.checkRows(b))
		r.rows += uint64(n)
	}
	return b
}

func (r *Reader) times(n int) []int64 {
	return narrow[int64](&r.in, "time", r.series("times", n), MaxTime)
}

// strings reads n texts.
func (r *Reader) strings(what string, n, limit int) []string {
	r.array(what, 2, 2)
	var distinct []string
	for range r.array(what, 0, n) {
		s := r.text(what, limit)
		r.spend(len(s))
		if r.in.err != nil {
			return nil
		}
		distinct = append(distinct, s)
	}
	pos := r.series(what, n)
	v := make([]string, len(pos))
	for i, x := range pos {
		if x >= uint64(len(distinct)) {
			r.fail("no %s %d", what, x)
			return nil
		}
		v[i] = distinct[x]
	}
	return v
}
