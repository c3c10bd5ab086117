package batch

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"
)

// obsTable is the obs table of OpenMRS 2.6 without its primary key and uuid.
func obsTable(number uint32) *TableItem {
	t := Table{Name: "obs", Root: "obs", Key: []Column{{Name: "uuid", Kind: KindUUID}}}
	for _, c := range []Column{
		{Name: "person_id", Ref: true}, {Name: "concept_id", Ref: true}, {Name: "encounter_id", Ref: true},
		{Name: "order_id", Ref: true}, {Name: "obs_datetime", Kind: KindDateTime}, {Name: "location_id", Ref: true},
		{Name: "obs_group_id", Ref: true}, {Name: "accession_number", Kind: KindText}, {Name: "value_group_id", Kind: KindInt},
		{Name: "value_coded", Ref: true}, {Name: "value_coded_name_id", Ref: true}, {Name: "value_drug", Ref: true},
		{Name: "value_datetime", Kind: KindDateTime}, {Name: "value_numeric", Kind: KindDecimal}, {Name: "value_modifier", Kind: KindText},
		{Name: "value_text", Kind: KindText}, {Name: "value_complex", Kind: KindText}, {Name: "comments", Kind: KindText},
		{Name: "creator", Ref: true}, {Name: "date_created", Kind: KindDateTime}, {Name: "voided", Kind: KindInt},
		{Name: "voided_by", Ref: true}, {Name: "date_voided", Kind: KindDateTime}, {Name: "void_reason", Kind: KindText},
		{Name: "previous_version", Ref: true}, {Name: "status", Kind: KindText},
	} {
		c.Slot = uint16(len(t.Columns) + 1)
		t.Columns = append(t.Columns, c)
	}
	return &TableItem{Number: number, Table: t}
}

func randomUUID(r *rand.Rand) []byte {
	var u [16]byte
	for i := range u {
		u[i] = byte(r.Uint32())
	}
	u[6], u[8] = u[6]&15|0x40, u[8]&63|0x80
	return formatUUID(nil, &u)
}

// clinic makes batches of new obs: encounters of some ten obs each, with the
// keys of the rows that they refer to.
type clinic struct {
	r        *rand.Rand
	concepts []uint32 // questions
	answers  []uint32
	users    []uint32
	next     uint32
	visit    int
	at       int64
}

func newClinic() *clinic {
	return &clinic{r: rand.New(rand.NewPCG(1, 2)), next: FirstRef, at: 1760000000_000000}
}

func (c *clinic) keys(n int) (*KeysItem, []uint32) {
	item := &KeysItem{Table: 0, First: c.next, N: n, Parts: []Values{{}}}
	refs := make([]uint32, n)
	for i := range refs {
		item.Parts[0].Bytes = append(item.Parts[0].Bytes, randomUUID(c.r))
		refs[i] = c.next
		c.next++
	}
	return item, refs
}

func dateTime(micros int64) []byte {
	s := micros / 1000000
	return fmt.Appendf(nil, "2025-10-%02d %02d:%02d:%02d", 1+s/86400%28, s/3600%24, s/60%60, s%60)
}

// obs makes n obs, preceded by the keys that are new.
func (c *clinic) obs(n int) []any {
	var items []any
	if c.concepts == nil {
		var k1, k2, k3 *KeysItem
		k1, c.concepts = c.keys(60)
		k2, c.answers = c.keys(80)
		k3, c.users = c.keys(5)
		items = append(items, k1, k2, k3)
	}
	visits := n/10 + 1
	people, persons := c.keys(visits)
	meetings, encounters := c.keys(visits)
	own, keys := c.keys(n)
	items = append(items, people, meetings, own)
	b := &Rows{Table: 0, Keys: keys, Columns: make([]Values, 26)}
	ref := func(col int, x uint32) { b.Columns[col].Refs = append(b.Columns[col].Refs, x) }
	val := func(col int, x []byte) { b.Columns[col].Bytes = append(b.Columns[col].Bytes, x) }
	var group uint32
	for i := range n {
		if i%10 == 0 {
			c.at += int64(c.r.IntN(1200e6))
			c.visit++
			group = 0
		}
		c.at += 1500 + int64(c.r.IntN(3000))
		v := i / 10
		ref(0, persons[v])
		q := c.r.IntN(len(c.concepts))
		if c.r.IntN(3) > 0 {
			q = (i%10*3 + c.r.IntN(2)) % len(c.concepts)
		}
		ref(1, c.concepts[q])
		ref(2, encounters[v])
		ref(3, 0)
		visit := c.at / 1000000 * 1000000
		val(4, dateTime(visit-int64(v%7)*60e6))
		ref(5, c.users[0])
		ref(6, group)
		if i%10 == 4 {
			group = keys[i]
		}
		val(7, nil)
		val(8, nil)
		coded, num, text, date := uint32(0), []byte(nil), []byte(nil), []byte(nil)
		switch {
		case q%5 < 2:
			coded = c.answers[c.r.IntN(6)+q]
		case q%5 < 4:
			num = strconv.AppendFloat(nil, float64(350+c.r.IntN(60)*(1+q%2))/10, 'f', -1, 64)
		case q == 9:
			text = fmt.Appendf(nil, "seen by nurse, follow-up in %d weeks, %x", 1+c.r.IntN(8), c.r.IntN(1<<20))
		default:
			date = dateTime(c.at/86400e6*86400e6 + int64(c.r.IntN(28))*86400e6)
		}
		ref(9, coded)
		ref(10, 0)
		ref(11, 0)
		val(12, date)
		val(13, num)
		val(14, nil)
		val(15, text)
		val(16, nil)
		val(17, nil)
		ref(18, c.users[(v/5)%5])
		val(19, dateTime(visit))
		val(20, []byte("0"))
		ref(21, 0)
		val(22, nil)
		val(23, nil)
		ref(24, 0)
		val(25, []byte("FINAL"))
		b.Masks = append(b.Masks, 1<<27-1)
		b.Times = append(b.Times, c.at)
		b.Authors = append(b.Authors, "kisumu")
		b.Epochs = append(b.Epochs, 812)
	}
	return append(items, b)
}

// TestSize holds the format to its budget: a thousand new obs, with the keys
// of the people, encounters and concepts that they refer to, in some 32 bytes
// each.
func TestSize(t *testing.T) {
	empty := len(mustWrite(t))
	b := mustWrite(t, append([]any{obsTable(0)}, newClinic().obs(1000)...)...)
	perRow := float64(len(b)-empty) / 1000
	t.Logf("1000 obs: %.2f bytes a row, and %d for header and signature", perRow, empty)
	if perRow > 28 {
		t.Errorf("%.2f bytes a row", perRow)
	}
}

// blocks makes enough blocks for rows obs.
func blocks(rows, block int) []any {
	items := []any{obsTable(0)}
	for c := newClinic(); rows > 0; rows -= block {
		items = append(items, c.obs(block)...)
	}
	return items
}

// writeAll writes a batch to nowhere, and returns its length in bytes.
func writeAll(t testing.TB, items []any) int64 {
	w, err := NewWriter(io.Discard, testHeader(), noEncrypt, sign)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		if err := w.item(item); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Size()
}

// readAll reads a batch to its end.
func readAll(t testing.TB, file []byte) {
	r, err := Open(bytes.NewReader(file), int64(len(file)), verify, noDecrypt)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = r.Next()
	}
	if err != io.EOF {
		t.Fatal(err)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, block := range []int{1000, 4096} {
		b.Run(strconv.Itoa(block), func(b *testing.B) {
			const rows = 10 * 8192
			items := blocks(rows, block)
			var size int64
			for b.Loop() {
				size = writeAll(b, items)
			}
			b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(size)/rows, "bytes/row")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, block := range []int{1000, 4096} {
		b.Run(strconv.Itoa(block), func(b *testing.B) {
			const rows = 10 * 8192
			file := mustWrite(b, blocks(rows, block)...)
			b.ReportAllocs()
			for b.Loop() {
				readAll(b, file)
			}
			b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// TestAllocations holds the codec to how often it allocates for a row: what noise on a machine does not change.
func TestAllocations(t *testing.T) {
	const rows = 20_000
	items := blocks(rows, 1000)
	file := mustWrite(t, items...)
	for _, c := range []struct {
		what  string
		do    func()
		limit float64
	}{{"write", func() { writeAll(t, items) }, 0.4}, {"read", func() { readAll(t, file) }, 0.2}} {
		each := testing.AllocsPerRun(3, c.do) / rows
		t.Logf("%s: %.2f allocations a row", c.what, each)
		if each > c.limit {
			t.Errorf("%s: %.2f allocations a row, and the limit is %.2f", c.what, each, c.limit)
		}
	}
}
