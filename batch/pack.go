package batch

import "bytes"

// Encodings of a packed column. FORMAT.md describes them.
const (
	encAbsent   = iota
	encConst    // one value, or NULL, for all rows
	encPlain    // lengths, then bytes
	encSplit    // two columns, and a bit per row that says in which
	encDict     // the distinct values, and a position per row
	encRefs     // references alone
	encMixed    // references, and a column of the values where there is none
	encInt      // decimal text of int64
	encDecimal  // decimal text: digits after the point, and the number without it
	encDateTime // YYYY-MM-DD hh:mm:ss[.f]
	encDate     // YYYY-MM-DD
	encUUID     // RFC 4122 text in lower case
)

// maxDepth bounds the nesting of columns: split for NULL, dictionary, split
// for what does not fit, and mixed above them.
const maxDepth = 8

// column writes the values of one column.
func (p *packer) column(kind Kind, v Values) {
	switch {
	case v.Bytes == nil && v.Refs == nil:
		p.list(1, encAbsent)
	case v.Refs == nil:
		p.values(kind, v.Bytes)
	case v.Bytes == nil:
		p.list(2, encRefs)
		p.series(widen(&p.words, v.Refs))
	default:
		p.list(3, encMixed)
		p.series(widen(&p.words, v.Refs))
		var plain [][]byte
		for i, r := range v.Refs {
			if r == RefNull {
				plain = append(plain, v.Bytes[i])
			}
		}
		p.values(kind, plain)
	}
}

// values writes plain values, nil being NULL.
func (p *packer) values(kind Kind, v [][]byte) {
	if p.tight && len(v) == 1 && parseUUID(new([16]byte), v[0]) {
		p.fitting(KindUUID, v)
		return
	}
	if isConst(v) {
		p.list(2, encConst)
		if len(v) == 0 || v[0] == nil {
			p.null()
		} else {
			p.bytes(v[0])
		}
		return
	}
	if !p.without(v, func(b []byte) bool { return b == nil }, kind, kind) {
		p.filled(kind, v)
	}
}

// filled writes values of which none is NULL.
func (p *packer) filled(kind Kind, v [][]byte) {
	if kind <= KindText && looksUUID(v[0]) {
		kind = KindUUID
	}
	if kind != KindInt && kind != KindDateTime && kind != KindDate && p.dict(kind, v) {
		return
	}
	p.typed(kind, v)
}

// typed writes values by their kind; the few that do not fit it go apart.
func (p *packer) typed(kind Kind, v [][]byte) {
	if p.fitting(kind, v) {
		return
	}
	var fits func(b []byte) bool
	switch kind {
	case KindInt:
		fits = func(b []byte) bool { _, ok := parseInt(b); return ok }
	case KindDecimal:
		fits = func(b []byte) bool { _, _, ok := parseDecimal(b); return ok }
	case KindDateTime:
		digits := 0
		for _, b := range v {
			if _, d, ok := parseDateTime(b); ok {
				digits = d
				break
			}
		}
		fits = func(b []byte) bool { _, d, ok := parseDateTime(b); return ok && d == digits }
	case KindDate:
		fits = func(b []byte) bool { _, ok := parseDate(b); return ok }
	case KindUUID:
		fits = func(b []byte) bool { var u [16]byte; return parseUUID(&u, b) }
	default:
		p.plain(v)
		return
	}
	odd := 0
	for _, b := range v {
		if !fits(b) {
			odd++
		}
	}
	if odd > len(v)/2 && (odd == len(v) || !p.tight || kind != KindUUID) {
		p.plain(v)
		return
	}
	p.without(v, func(b []byte) bool { return !fits(b) }, kind, KindBytes)
}

// without writes the values for which out holds apart from the others, and
// reports false if there are none or no others.
func (p *packer) without(v [][]byte, out func([]byte) bool, kind, other Kind) bool {
	bitmap := make([]byte, (len(v)+7)/8)
	n := 0
	for i, b := range v {
		if out(b) {
			bitmap[i/8] |= 1 << (i % 8)
			n++
		}
	}
	if n == 0 || n == len(v) {
		return false
	}
	all := resized(p.apart, len(v))
	p.apart = nil // columns nest
	in, apart := all[:0:len(v)-n], all[len(v)-n:len(v)-n]
	for i, b := range v {
		if bitmap[i/8]>>(i%8)&1 == 1 {
			apart = append(apart, b)
		} else {
			in = append(in, b)
		}
	}
	p.list(4, encSplit)
	p.bytes(bitmap)
	p.values(kind, in)
	p.values(other, apart)
	clear(all) // what was in it need not be held
	p.apart = all
	return true
}

// dict writes v as its distinct values and a position for each, if there are
// few enough, and reports whether it did.
func (p *packer) dict(kind Kind, v [][]byte) bool {
	limit, sample := len(v)/2, max(64, len(v)/16)
	at := make(map[string]uint64, min(limit, 64))
	var distinct [][]byte
	pos := make([]uint64, len(v))
	for i, b := range v {
		if i > 0 && bytes.Equal(b, v[i-1]) {
			pos[i] = pos[i-1]
			continue
		}
		j, ok := at[string(b)]
		if !ok {
			j = uint64(len(distinct))
			if len(distinct) == limit || i == sample && len(distinct) > i*7/8 {
				return false
			}
			at[string(b)] = j
			distinct = append(distinct, b)
		}
		pos[i] = j
	}
	p.list(4, encDict, uint64(len(distinct)))
	p.typed(kind, distinct)
	p.series(pos)
	return true
}

// plain writes lengths and bytes.
func (p *packer) plain(v [][]byte) {
	p.words = resized(p.words, len(v))
	total := 0
	for i, b := range v {
		p.words[i] = uint64(len(b))
		total += len(b)
	}
	p.list(3, encPlain)
	p.series(p.words)
	p.head(majorBytes, uint64(total))
	for _, b := range v {
		p.raw(b)
		if len(p.b) > outBuffer {
			p.flush()
		}
	}
}

// fitting writes values by their kind, if all fit it, and reports whether they do.
func (p *packer) fitting(kind Kind, v [][]byte) (ok bool) {
	p.words = resized(p.words, len(v))
	switch kind {
	case KindInt:
		for i, b := range v {
			x, ok := parseInt(b)
			if !ok {
				return false
			}
			p.words[i] = uint64(x)
		}
		p.list(2, encInt)
		p.series(p.words)
	case KindDecimal:
		p.scales = resized(p.scales, len(v))
		for i, b := range v {
			x, s, ok := parseDecimal(b)
			if !ok {
				return false
			}
			p.words[i], p.scales[i] = uint64(x), uint64(s)
		}
		p.list(3, encDecimal)
		p.series(p.scales)
		p.series(p.words)
	case KindDateTime:
		digits := 0
		for i, b := range v {
			x, d, ok := parseDateTime(b)
			if !ok || i > 0 && d != digits {
				return false
			}
			p.words[i], digits = x, d
		}
		p.list(3, encDateTime, uint64(digits))
		p.series(p.words)
	case KindDate:
		for i, b := range v {
			if p.words[i], ok = parseDate(b); !ok {
				return false
			}
		}
		p.list(2, encDate)
		p.series(p.words)
	case KindUUID:
		n := len(v)
		p.scratch = resized(p.scratch, 16*n)
		var u [16]byte
		for i, b := range v {
			if !parseUUID(&u, b) {
				return false
			}
			for j, at := range uuidPlanes {
				p.scratch[j*n+i] = u[at]
			}
		}
		p.list(2, encUUID)
		p.planes(p.scratch, n)
	default:
		return false
	}
	return true
}

// uuidPlanes is the order in which the bytes of UUIDs are laid out: those that
// hold the version and the variant first, because they are the ones of random
// UUIDs that compress.
var uuidPlanes = [16]int{6, 8, 0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14, 15}

func isConst(v [][]byte) bool {
	for _, b := range v {
		if (b == nil) != (v[0] == nil) || !bytes.Equal(b, v[0]) {
			return false
		}
	}
	return true
}

func widen[T ~uint32 | ~int64 | ~int](scratch *[]uint64, v []T) []uint64 {
	*scratch = resized(*scratch, len(v))
	for i, x := range v {
		(*scratch)[i] = uint64(x)
	}
	return *scratch
}
