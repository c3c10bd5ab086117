package batch

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"
)

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func noEncrypt(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil }
func noDecrypt(r io.Reader) (io.Reader, error)      { return r, nil }

// testKey is fixed: the golden files are signed with it.
var testKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))

func sign(msg []byte) ([]byte, error) { return ed25519.Sign(testKey, msg), nil }

var errVerify = errors.New("wrong key")

func verify(_ *Header, msg, sig []byte) error {
	if !ed25519.Verify(testKey.Public().(ed25519.PublicKey), msg, sig) {
		return errVerify
	}
	return nil
}

func testHeader() *Header {
	return &Header{Sender: "hub", Receiver: "kisumu", Base: Position{Epoch: 1, Token: 2}, Upto: Position{Epoch: 3, Token: 4}, Last: true, Time: 1700000000000000}
}

// write makes a batch of items, as Reader.Next returns them.
func write(h *Header, items []any) ([]byte, error) {
	var buf bytes.Buffer
	w, err := NewWriter(&buf, h, noEncrypt, sign)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if err := w.item(item); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if w.Size() != int64(buf.Len()) {
		return nil, fmt.Errorf("size %d of a file of %d bytes", w.Size(), buf.Len())
	}
	return buf.Bytes(), nil
}

func (w *Writer) item(item any) error {
	switch x := item.(type) {
	case *TableItem:
		n, err := w.Table(x.Table)
		if err == nil && n != x.Number {
			err = fmt.Errorf("table number %d, not %d", n, x.Number)
		}
		return err
	case *KeysItem:
		first, err := w.Keys(x.Table, x.Parts)
		if err == nil && first != x.First {
			err = fmt.Errorf("first key %d, not %d", first, x.First)
		}
		return err
	case *shortKeys:
		_, err := w.ShortKeys(0, x.whole, x.width)
		return err
	case *ResetItem:
		return w.ResetDict()
	case *Rows:
		return w.Rows(x)
	case *Deletions:
		return w.Deletions(x)
	case *Records:
		return w.Records(x)
	case *RulesItem:
		return w.Rules(x)
	case *ScopeItem:
		return w.Scope(x)
	case *DigestItem:
		return w.Digest(x.Data)
	}
	return fmt.Errorf("item %T", item)
}

func read(b []byte) (*Header, []any, error) {
	r, err := Open(bytes.NewReader(b), int64(len(b)), verify, noDecrypt)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	var items []any
	for {
		item, err := r.Next()
		if err == io.EOF {
			return r.Header(), items, nil
		}
		if err != nil {
			return nil, nil, err
		}
		items = append(items, item)
	}
}

func mustWrite(t testing.TB, items ...any) []byte {
	t.Helper()
	b, err := write(testHeader(), items)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// texts makes values; "\x00" stands for NULL.
func texts(s ...string) [][]byte {
	v := make([][]byte, len(s))
	for i, x := range s {
		if x != "\x00" {
			v[i] = []byte(x)
		}
	}
	return v
}

func personTable() *TableItem {
	return &TableItem{Number: 0, Table: Table{Name: "person", Root: "person",
		Key:     []Column{{Name: "uuid", Kind: KindUUID}},
		Columns: []Column{{Name: "gender", Kind: KindText, Slot: 1}, {Name: "creator", Kind: KindInt, Ref: true, Slot: 2}}}}
}

// uuid makes a UUID of version 4 that depends on its name alone.
func uuid(name string) string {
	s := sha256.Sum256([]byte(name))
	s[6], s[8] = s[6]&15|0x40, s[8]&63|0x80
	return string(formatUUID(nil, (*[16]byte)(s[:16])))
}

// sample has every kind of item.
func sample() []any {
	patient := &TableItem{Number: 1, Table: Table{Name: "patient", Root: "person",
		Key: []Column{{Name: "uuid", Kind: KindUUID}}, Columns: []Column{{Name: "allergy_status", Slot: 3}}}}
	role := &TableItem{Number: 2, Table: Table{Name: "user_role", Root: "user_role",
		Key: []Column{{Name: "user_id", Ref: true}, {Name: "role", Kind: KindText}}}}
	return []any{
		personTable(), patient,
		&KeysItem{Table: 0, First: 2, N: 3, Parts: []Values{{Bytes: texts(uuid("a"), uuid("b"), "1234AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")}}},
		role,
		&KeysItem{Table: 2, First: 5, N: 2, Parts: []Values{{Refs: []uint32{2, 4}}, {Bytes: texts("Nurse", "Nurse")}}},
		&Rows{Table: 0, Keys: []uint32{2, 3, 4}, Columns: []Values{
			{Bytes: texts("F", "\x00", "")},
			{Refs: []uint32{RefNull, RefNowhere, 2}}},
			Acks: []uint64{5, 5, 1 << 63}, Groups: []int{1, 2, 0},
			Masks: []uint64{7, 1 | 2, 4}, Times: []int64{0, 1700000000000000, MaxTime},
			Authors: []string{"hub", "kisumu", "hub"}, Epochs: []uint64{1, 0, 9}},
		&Rows{Table: 1, Keys: []uint32{4}, Columns: []Values{{}}, Masks: []uint64{1}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{2}},
		&Rows{Table: 2, Keys: []uint32{5, 6}, Masks: []uint64{1, 1}, Times: []int64{1, 2}, Authors: []string{"hub", "hub"}, Epochs: []uint64{2, 2}},
		&Deletions{Table: 1, Keys: []uint32{2, 3}, Times: []int64{5, 6}, Authors: []string{"x", ""}, Epochs: []uint64{7, 8}},
		&Records{Table: 0, Keys: []uint32{3, 2}, Columns: []string{"gender", ""}, Values: texts("M", "\x00"), Notes: []string{"", "kept"},
			LostTimes: []int64{1, 2}, LostAuthors: []string{"hub", "kisumu"}, WonTimes: []int64{3, 4}, WonAuthors: []string{"kisumu", "hub"},
			At: []int64{10, 11}, Epochs: []uint64{3, 3}},
		&ResetItem{},
		&KeysItem{Table: 0, First: 2, N: 1, Parts: []Values{{Bytes: texts(uuid("c"))}}},
		&Deletions{Table: 0, Keys: []uint32{2}, Times: []int64{5}, Authors: []string{"hub"}, Epochs: []uint64{7}},
	}
}

func TestRoundTrip(t *testing.T) {
	b := mustWrite(t, sample()...)
	h, items, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(h, testHeader()) {
		t.Errorf("header %+v", h)
	}
	want := sample()
	if len(items) != len(want) {
		t.Fatalf("%d items, want %d", len(items), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(items[i], want[i]) {
			t.Errorf("item %d:\n got %+v\nwant %+v", i, items[i], want[i])
		}
	}
	if again := mustWrite(t, items...); !bytes.Equal(again, b) {
		t.Error("writing what was read gives another file")
	}
}

func TestReaderClose(t *testing.T) {
	b := mustWrite(t, sample()...)
	r, err := Open(bytes.NewReader(b), int64(len(b)), verify, noDecrypt)
	if err != nil {
		t.Fatal(err)
	}
	item, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	if _, err := r.Next(); err == nil || err == io.EOF {
		t.Errorf("a closed reader says %v", err)
	}
	if !reflect.DeepEqual(item, sample()[0]) {
		t.Errorf("item became %+v", item)
	}
}
