package batch

// column reads the values of one column of n rows.
func (d *in) column(n int) Values {
	size := d.array("column", 1, 4)
	enc := d.uint("encoding", encUUID)
	switch {
	case d.err != nil:
		return Values{}
	case enc == encAbsent && size == 1:
		return Values{}
	case enc == encRefs && size == 2:
		return Values{Refs: d.refs(n)}
	case enc == encMixed && size == 3:
		refs := d.refs(n)
		m := 0
		for _, r := range refs {
			if r == RefNull {
				m++
			}
		}
		plain := d.values(m, 1)
		if d.err != nil {
			return Values{}
		}
		all := make([][]byte, n)
		m = 0
		for i, r := range refs {
			if r == RefNull {
				all[i] = plain[m]
				m++
			}
		}
		return Values{Bytes: all, Refs: refs}
	}
	return Values{Bytes: d.body(int(enc), size, n, 0)}
}

// refs reads n references; whether they exist is checked with the block.
func (d *in) refs(n int) []uint32 {
	return narrow[uint32](d, "reference", d.series("references", n), maxRef)
}

// narrow converts words that must not be above limit.
func narrow[T ~uint32 | ~int64 | ~int](d *in, what string, v []uint64, limit uint64) []T {
	r := make([]T, len(v))
	for i, x := range v {
		if x > limit {
			d.fail("%s %d is above %d", what, x, limit)
			return nil
		}
		r[i] = T(x)
	}
	return r
}

// values reads n plain values.
func (d *in) values(n, depth int) [][]byte {
	size := d.array("column", 2, 4)
	enc := d.uint("encoding", encUUID)
	return d.body(int(enc), size, n, depth)
}

// body reads what follows the encoding number.
func (d *in) body(enc, size, n, depth int) [][]byte {
	want := [...]int{encConst: 2, encPlain: 3, encSplit: 4, encDict: 4, encInt: 2, encDecimal: 3, encDateTime: 3, encDate: 2, encUUID: 2}
	if d.err == nil && (want[enc] != size || depth >= maxDepth || n == 0 && enc != encConst) {
		d.fail("encoding %d with %d elements for %d rows at depth %d", enc, size, n, depth)
	}
	if d.err != nil {
		return nil
	}
	switch enc {
	case encConst:
		b := d.value("value", min(MaxValue, d.budget))
		d.spend(len(b))
		return d.fill(n, func(int) []byte { return b })
	case encPlain:
		return d.plain(n)
	case encSplit:
		return d.splitValues(n, depth)
	case encDict:
		return d.dictValues(n, depth)
	}
	return d.fitting(enc, n)
}

// fill makes n values.
func (d *in) fill(n int, value func(i int) []byte) [][]byte {
	if d.err != nil {
		return nil
	}
	v := make([][]byte, n)
	for i := range v {
		v[i] = value(i)
	}
	return v
}

func (d *in) plain(n int) [][]byte {
	lens := d.series("lengths", n)
	total := 0
	for _, x := range lens {
		if x > MaxValue || total > d.budget {
			d.fail("a value of more than %d bytes, or values of a block of more than %d", MaxValue, d.budget)
			return nil
		}
		total += int(x)
	}
	d.spend(total)
	b := d.bytes("values", total)
	off := 0
	return d.fill(n, func(i int) []byte {
		end := off + int(lens[i])
		x := b[off:end:end]
		off = end
		return x
	})
}

func (d *in) splitValues(n, depth int) [][]byte {
	bitmap := d.bytes("bitmap", (n+7)/8)
	if d.err != nil {
		return nil
	}
	if n%8 != 0 && bitmap[n/8]>>(n%8) != 0 {
		d.fail("bitmap has bits past its end")
		return nil
	}
	var m [2]int
	for i := range n {
		m[bitmap[i/8]>>(i%8)&1]++
	}
	first := d.values(m[0], depth+1)
	second := d.values(m[1], depth+1)
	return d.fill(n, func(i int) []byte {
		from := &first
		if bitmap[i/8]>>(i%8)&1 == 1 {
			from = &second
		}
		b := (*from)[0]
		*from = (*from)[1:]
		return b
	})
}

func (d *in) dictValues(n, depth int) [][]byte {
	k := int(d.uint("dictionary size", uint64(n)))
	values := d.values(k, depth+1)
	pos := d.series("positions", n)
	for _, x := range pos {
		if x >= uint64(k) {
			d.fail("dictionary has no value %d", x)
		}
	}
	return d.fill(n, func(i int) []byte { return values[pos[i]] })
}

// fitting reads the encodings of typed values. The values share one buffer.
func (d *in) fitting(enc, n int) [][]byte {
	switch enc {
	case encInt:
		v := d.series("integers", n)
		return d.format(n, 8, func(b []byte, i int) []byte { return formatInt(b, int64(v[i])) })
	case encDecimal:
		scales := d.series("scales", n)
		for _, s := range scales {
			if s > maxScale {
				d.fail("scale %d is above %d", s, maxScale)
			}
		}
		v := d.series("decimals", n)
		return d.format(n, 8, func(b []byte, i int) []byte { return formatDecimal(b, int64(v[i]), int(scales[i])) })
	case encDateTime:
		digits := int(d.uint("digits of a second", 6))
		v := d.series("times", n)
		limit := dateTimes * uint64(pow10[digits])
		for _, x := range v {
			if x >= limit {
				d.fail("time %d does not exist", x)
			}
		}
		return d.format(n, 26, func(b []byte, i int) []byte { return formatDateTime(b, v[i], digits) })
	case encDate:
		v := d.series("dates", n)
		for _, x := range v {
			if x >= dates {
				d.fail("date %d does not exist", x)
			}
		}
		return d.format(n, 10, func(b []byte, i int) []byte { return formatDate(b, v[i]) })
	default:
		planes := d.bytes("UUIDs", 16*n)
		var u [16]byte
		return d.format(n, 36, func(b []byte, i int) []byte {
			for j, at := range uuidPlanes {
				u[at] = planes[j*n+i]
			}
			return formatUUID(b, &u)
		})
	}
}

// format makes n values of about size bytes each in one buffer.
func (d *in) format(n, size int, add func(b []byte, i int) []byte) [][]byte {
	if d.err != nil {
		return nil
	}
	v := make([][]byte, n)
	b := make([]byte, 0, n*size)
	for i := range v {
		from := len(b)
		b = add(b, i)
		v[i] = b[from:len(b):len(b)]
	}
	d.spend(len(b))
	return v
}
