package batch

import (
	"crypto/rand"
	"fmt"
)

// paddingTable is the table of keys that make a file longer. No database has
// one of that name: readers pass its keys over.
const paddingTable = "omsync-padding"

// Padding is written as keys of paddingBytes each, so many at a time.
const paddingBytes, paddingKeys = 60_000, 128

// unpacked counts what goes into the compression.
type unpacked struct {
	compressor
	n uint64
}

func (u *unpacked) Write(p []byte) (int, error) {
	u.n += uint64(len(p))
	return u.compressor.Write(p)
}

// short returns how many bytes the file lacks for what it has: a reader takes
// so much for each. Much that is alike takes few bytes, and whoever put it into
// a database would otherwise keep it from going any further, with all else.
func (w *Writer) short() int64 {
	size := uint64(w.Size())
	var most uint64
	for _, c := range []struct {
		quota
		n uint64
	}{{itemQuota, w.items + 8}, {keyQuota, w.keys}, {rowQuota, w.rows + w.deletions + w.records}, {cellQuota, w.cells}, {valueQuota, w.valueBytes},
		{decodedQuota, w.unpacked.n + uint64(len(w.pack.b))}} {
		if c.n > c.base {
			most = max(most, (c.n-c.base)/c.perByte+1)
		}
	}
	if most <= size {
		return 0
	}
	return int64(most - size)
}

// pad makes the file as long as what it has calls for.
func (w *Writer) pad() error {
	left := w.short()
	if left == 0 {
		return nil
	}
	left += left/64 + 4096 // what is written now counts too
	table, err := w.Table(Table{Name: paddingTable, Root: paddingTable, Key: []Column{{Name: "padding"}}})
	if err != nil {
		return fmt.Errorf("make the file longer: %w", err)
	}
	for left > 0 {
		n := int(min(paddingKeys, (left+paddingBytes-1)/paddingBytes))
		noise := make([]byte, n*paddingBytes)
		rand.Read(noise)
		keys := Values{Bytes: make([][]byte, n)}
		for i := range keys.Bytes {
			keys.Bytes[i] = noise[i*paddingBytes : (i+1)*paddingBytes]
		}
		if err := w.ResetDict(); err != nil {
			return err
		}
		if _, err := w.Keys(table, []Values{keys}); err != nil {
			return fmt.Errorf("make the file longer: %w", err)
		}
		left -= int64(len(noise))
	}
	return nil
}
