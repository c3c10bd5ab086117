package batch

func (r *Reader) readDeletions() *Deletions {
	table, n := r.block(one)
	b := &Deletions{Table: table, Keys: r.refs(n), Times: r.times(n), Authors: r.strings("author", n, MaxName), Epochs: r.series("epochs", n)}
	if r.scopes {
		b.Owners = r.owners(n)
	}
	if r.in.err == nil {
		r.accept(r.checkDeletions(b))
		r.deletions += uint64(n)
	}
	return b
}

func (r *Reader) readRecords() *Records {
	table, n := r.block(one)
	b := &Records{Table: table, Keys: r.refs(n), Columns: r.strings("column", n, MaxName), Values: r.values(n, 0)}
	if !r.null() {
		b.Notes = r.strings("note", n, MaxNote)
	}
	b.LostTimes, b.LostAuthors = r.times(n), r.strings("author", n, MaxName)
	b.WonTimes, b.WonAuthors = r.times(n), r.strings("author", n, MaxName)
	b.At, b.Epochs = r.times(n), r.series("epochs", n)
	if r.scopes {
		b.Owners = r.owners(n)
	}
	if r.in.err == nil {
		r.accept(r.checkRecords(b))
		r.records += uint64(n)
	}
	return b
}
