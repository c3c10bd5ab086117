package batch

import (
	"bufio"
	"bytes"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Reader reads the items of a batch whose signature was accepted.
type Reader struct {
	state
	in
	header  *Header
	size    int64 // of the file
	zr      *zstd.Decoder
	decoded *bounded
	file    io.Reader // the ciphertext, hashed as it is read
	hash    hash.Hash
	hashed  []byte                                                  // hash of the file when its signature was checked
	ahead   *readAhead                                              // nil: nothing is read ahead
	whole   func(table string, prefixes [][]byte) ([][]byte, error) // see TakeShort
}

// Open checks the signature over the whole file, and only then starts to
// decrypt it. verify gets the clear header, the message that was signed and
// the signature; decrypt wraps the reader of the ciphertext. The file is read
// twice, and must not change meanwhile: Next checks that it did not.
//
// Errors: ErrVersion, ErrTruncated, ErrCorrupt, ErrSignature (wrapping what
// verify said), ErrHeader, *TooNewError, or those of decrypt and of f. A
// *TooNewError comes only after verify has accepted the signature; the header
// that verify was given then has Sender, Receiver and Requests alone.
func Open(f io.ReaderAt, size int64, verify func(h *Header, msg, sig []byte) error, decrypt func(io.Reader) (io.Reader, error)) (*Reader, error) {
	h, head, sum, err := check(f, size, verify)
	if err != nil {
		return nil, err
	}
	start, end := int64(5+len(head)), size-SignatureSize
	r := &Reader{state: newState(h), header: h, size: size, hash: sha512.New(), hashed: sum}
	if _, err := io.Copy(r.hash, io.NewSectionReader(f, 0, start)); err != nil {
		return nil, fmt.Errorf("read batch: %w", err)
	}
	r.file = io.TeeReader(io.NewSectionReader(f, start, end-start), r.hash)
	plain, err := decrypt(r.file)
	if err != nil {
		return nil, fmt.Errorf("decrypt batch: %w", err)
	}
	r.below = &source{r: plain}
	zr, err := zstd.NewReader(r.below, append(h.decoderOptions(), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))...)
	if err != nil {
		return nil, fmt.Errorf("decompress batch: %w", err)
	}
	r.decoded = &bounded{r: zr, size: size}
	r.zr, r.r = zr, bufio.NewReaderSize(r.decoded, 64<<10)
	opening := h.Opening(head)
	inner := make([]byte, len(opening))
	if _, err := io.ReadFull(r.r, inner); err != nil {
		r.stop(err)
		return nil, fmt.Errorf("read encrypted header: %w", r.err)
	}
	if !bytes.Equal(inner, opening) {
		return nil, ErrHeader
	}
	return r, nil
}

// Verify checks the signature over a whole file, as Open does, and returns the
// clear header. It needs no keys. Errors: those of Open that are not about what
// is encrypted.
func Verify(f io.ReaderAt, size int64, verify func(h *Header, msg, sig []byte) error) (*Header, error) {
	h, _, _, err := check(f, size, verify)
	return h, err
}

// check returns the header, its encoding, and the hash of all but the signature.
func check(f io.ReaderAt, size int64, verify func(h *Header, msg, sig []byte) error) (*Header, []byte, []byte, error) {
	h, head, err := readHeader(io.NewSectionReader(f, 0, size))
	var tooNew *TooNewError
	if err != nil && !errors.As(err, &tooNew) {
		return nil, nil, nil, err
	}
	end := size - SignatureSize
	if end < int64(5+len(head)) {
		return nil, nil, nil, fmt.Errorf("read signature: %w", ErrTruncated)
	}
	sum := sha512.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, end)); err != nil {
		return nil, nil, nil, fmt.Errorf("read batch: %w", err)
	}
	sig := make([]byte, SignatureSize)
	if _, err := io.ReadFull(io.NewSectionReader(f, end, SignatureSize), sig); err != nil {
		return nil, nil, nil, fmt.Errorf("read signature: %w", truncated(err))
	}
	if err := verify(h, message(sum), sig); err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if tooNew != nil {
		return nil, nil, nil, tooNew
	}
	return h, head, sum.Sum(nil), nil
}

// Header returns the header. It must not be changed.
func (r *Reader) Header() *Header { return r.header }

// Close frees the reader's buffers; what Next returned stays valid. A call of Next
// after it is an error. The file below stays open.
func (r *Reader) Close() error {
	r.ahead.close()
	if r.in.err == nil {
		r.in.err = errors.New("batch is closed")
	}
	if r.zr != nil {
		r.zr.Close()
		r.zr = nil
	}
	return nil
}

// Next returns the next item: *TableItem, *KeysItem, *ResetItem, *Rows,
// *Deletions, *Records, *RulesItem, *ScopeItem, *DigestItem, *SectionItem, *ShortKeysItem or
// *ShortCheckItem. What it returned stays valid. io.EOF comes after a
// good end alone, when the totals agree and nothing follows; until then what
// was read must not be made permanent. Errors stick.
func (r *Reader) Next() (any, error) {
	if r.ahead != nil {
		return r.ahead.next(r)
	}
	return r.next()
}

func (r *Reader) next() (any, error) {
	if r.in.err != nil {
		return nil, r.in.err
	}
	number := r.items + 1
	item := r.item()
	if r.in.err == nil {
		r.items++
		r.accept(r.checkQuotas(r.size))
	}
	if r.in.err != nil {
		if !errors.Is(r.in.err, io.EOF) {
			r.in.err = fmt.Errorf("item %d: %w", number, r.in.err)
		}
		return nil, r.in.err
	}
	return item, nil
}

func (r *Reader) item() any {
	r.budget, r.numbers = MaxHeld-r.dictBytes, 0
	r.room = r.budget
	size, kind := r.array("item", 1, 14), r.uint("item type", itemShortCheck)
	if r.in.err != nil {
		return nil
	}
	want := [...]int{itemEnd: 5, itemTable: 6, itemKeys: 5, itemReset: 1, itemRows: 11, itemDeletions: 7 + r.more(), itemRecords: 13 + r.more(), itemRules: 2, itemScope: r.scopeSize(), itemDigest: 2,
		itemSection: 1, itemShortKeys: 6, itemShortCheck: 2}[kind]
	if size != want {
		r.fail("item of type %d has %d elements, not %d", kind, size, want)
		return nil
	}
	switch kind {
	case itemTable:
		return r.readTable()
	case itemKeys:
		return r.readKeys()
	case itemReset:
		r.resetDict()
		return &ResetItem{}
	case itemRows:
		return r.readRows()
	case itemDeletions:
		return r.readDeletions()
	case itemRecords:
		return r.readRecords()
	case itemRules:
		return r.readRules()
	case itemScope:
		return r.readScope()
	case itemDigest:
		return r.readDigest()
	case itemSection:
		return r.readSection()
	case itemShortKeys:
		return r.readShortKeys()
	case itemShortCheck:
		return r.readShortCheck()
	}
	r.end()
	return nil
}

// end checks the totals, and that the stream and the file end here.
func (r *Reader) end() {
	for _, t := range []struct {
		what string
		n    uint64
	}{{"items", r.items}, {"rows", r.rows}, {"deletions", r.deletions}, {"records", r.records}} {
		if n := r.uint(t.what, math.MaxUint64); n != t.n {
			r.fail("%d %s where the end counts %d", t.n, t.what, n)
		}
	}
	if r.in.err == nil && r.shorts > 0 && !r.checked {
		r.fail("short keys without a check")
	}
	if r.in.err != nil {
		return
	}
	if _, err := r.r.ReadByte(); err == nil {
		r.fail("bytes after the end")
		return
	} else if err != io.EOF {
		r.stop(err)
		return
	}
	n, err := io.Copy(io.Discard, r.file)
	switch {
	case err != nil:
		r.in.err = fmt.Errorf("read batch: %w", err)
	case n != 0:
		r.fail("bytes after the ciphertext")
	case !bytes.Equal(r.hash.Sum(nil), r.hashed):
		r.fail("the file changed while it was read")
	default:
		r.in.err = io.EOF
	}
}

// accept turns what a check found into an error of the stream.
func (r *Reader) accept(err error) {
	if err != nil {
		r.fail("%w", err)
	}
}

func (r *Reader) readTable() *TableItem {
	n := r.uint("table number", MaxTables)
	t := Table{Name: r.text("table name", MaxName), Root: r.text("root", MaxName)}
	t.Key = r.readColumns()
	t.Columns = r.readColumns()
	if r.in.err != nil {
		return nil
	}
	if n != uint64(len(r.tables)) {
		r.fail("table %d where %d is due", n, len(r.tables))
		return nil
	}
	_, err := r.addTable(t)
	r.accept(err)
	t.Key, t.Columns = slices.Clone(t.Key), slices.Clone(t.Columns)
	return &TableItem{Number: uint32(n), Table: t}
}

func (r *Reader) readColumns() []Column {
	var list []Column
	for range r.array("columns", 0, MaxColumns) {
		r.array("column", 4, 4)
		list = append(list, Column{
			Name: r.text("column name", MaxName),
			Kind: Kind(r.uint("kind", math.MaxUint8)),
			Ref:  r.uint("reference flag", 1) == 1,
			Slot: uint16(r.uint("slot", MaxSlot)),
		})
		if r.in.err != nil {
			return nil
		}
	}
	return list
}

// block reads the table and the number of rows of a block with that many
// columns, or those of the table.
func (r *Reader) block(columns func(t *Table) int) (table uint32, n int) {
	table = uint32(r.uint("table number", MaxTables))
	n = int(r.uint("rows", MaxBlockRows))
	if r.in.err != nil {
		return 0, 0
	}
	t, err := r.table(table)
	if err == nil {
		err = checkBlock(n, columns(t))
	}
	r.accept(err)
	return table, n
}

func (r *Reader) readKeys() *KeysItem {
	table := uint32(r.uint("table number", MaxTables))
	first := uint32(r.uint("first index", maxRef))
	n := int(r.uint("keys", MaxBlockRows))
	if r.in.err != nil {
		return nil
	}
	t, err := r.table(table)
	if err == nil {
		err = checkBlock(n, len(t.Key))
	}
	if err == nil {
		err = r.checkFirst(first)
	}
	if r.accept(err); err != nil {
		return nil
	}
	item := &KeysItem{Table: table, First: first, N: n, Parts: r.readValues(len(t.Key), n)}
	if r.in.err != nil {
		return nil
	}
	if err := r.checkKeys(table, item.Parts, n); err != nil {
		r.accept(err)
		return nil
	}
	r.addKeys()
	return item
}

// checkFirst checks the index of the next key.
func (r *Reader) checkFirst(first uint32) error {
	if due := len(r.dict) + int(FirstRef); int(first) != due {
		return fmt.Errorf("key %d where %d is due", first, due)
	}
	return nil
}
