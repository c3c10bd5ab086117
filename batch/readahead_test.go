package batch

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"
)

// itemsRead reads all items, ahead or not, and the error at the end.
func itemsRead(t *testing.T, file []byte, ahead bool) (items []any, err error) {
	t.Helper()
	r, err := Open(bytes.NewReader(file), int64(len(file)), verify, noDecrypt)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if ahead {
		r.ReadAhead()
	}
	for {
		item, err := r.Next()
		if err != nil {
			if _, again := r.Next(); again == nil || again.Error() != err.Error() {
				t.Errorf("after %v comes %v", err, again)
			}
			return items, err
		}
		if ahead && r.LastSize() == 0 {
			t.Errorf("a %T has no size", item)
		}
		items = append(items, item)
	}
}

func TestReadAhead(t *testing.T) {
	whole := mustWrite(t, sample()...)
	broken := batchOf(head(t, testHeader()), append(testHeader().Opening(head(t, testHeader())), 0x81, 0x03, 0x81, 0x18, 0x63))
	for name, file := range map[string][]byte{"whole": whole, "broken": broken} {
		want, wantErr := itemsRead(t, file, false)
		got, err := itemsRead(t, file, true)
		if !reflect.DeepEqual(got, want) || err == nil || err.Error() != wantErr.Error() || errors.Is(err, io.EOF) != (name == "whole") {
			t.Errorf("%s: %d items and %v, and read ahead %d and %v", name, len(want), wantErr, len(got), err)
		}
	}
}

// However large the items of a file are, little of what follows is read before it is asked for; and nothing is read any more once the reader is closed.
func TestReadAheadIsBounded(t *testing.T) {
	value := bytes.Repeat([]byte("x"), maxReadAhead/4)
	items := []any{personTable(), &KeysItem{First: FirstRef, N: 1, Parts: []Values{{Bytes: texts(uuid("a"))}}}}
	for i := range 40 {
		value := append(bytes.Clone(value), byte(i))
		items = append(items, &Records{Keys: []uint32{FirstRef}, Columns: []string{"gender"}, Values: [][]byte{value}, LostTimes: []int64{1}, LostAuthors: []string{"a"},
			WonTimes: []int64{2}, WonAuthors: []string{"b"}, At: []int64{3}, Epochs: []uint64{1}})
	}
	file := mustWrite(t, items...)
	r, err := Open(bytes.NewReader(file), int64(len(file)), verify, noDecrypt)
	if err != nil {
		t.Fatal(err)
	}
	r.ReadAhead()
	for range 6 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		r.ahead.mu.Lock()
		for r.ahead.runs {
			r.ahead.changed.Wait()
		}
		held, last := r.ahead.held, r.ahead.items[len(r.ahead.items)-1].size
		r.ahead.mu.Unlock()
		if held < maxReadAhead || held-last >= maxReadAhead {
			t.Errorf("%d bytes are held, of which the last item that was read has %d; the limit is %d", held, last, maxReadAhead)
		}
	}
	r.Close()
	before := r.items
	time.Sleep(10 * time.Millisecond)
	if _, err := r.Next(); err == nil || r.items != before {
		t.Errorf("after it was closed: %v", err)
	}
}
