package batch

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// A writer makes no file that a reader refuses for what its few bytes stand
// for, and makes none longer that is within the bounds.
func TestPadding(t *testing.T) {
	value := bytes.Repeat([]byte("x"), 1<<20)
	for _, c := range []struct {
		name   string
		items  func(w *Writer) error
		longer int64 // at least so many bytes; 0: not at all
	}{
		{"values at the bound", func(w *Writer) error { return writeValues(w, 240, value) }, 0},
		{"values twice above it", func(w *Writer) error { return writeValues(w, 600, value) }, 1 << 20},
		{"rows at the bound", func(w *Writer) error { return writeRows(w, 256, 1) }, 0},
		{"rows above it", func(w *Writer) error { return writeRows(w, 300, 1) }, 40_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			w, err := NewWriter(&out, &Header{Sender: "a", Receiver: "b", Last: true}, func(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil },
				func([]byte) ([]byte, error) { return make([]byte, SignatureSize), nil })
			if err != nil {
				t.Fatal(err)
			}
			if err := c.items(w); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if _, padded := w.names[paddingTable]; padded != (c.longer > 0) || int64(out.Len()) < c.longer {
				t.Errorf("a file of %d bytes, padded: %t", out.Len(), padded)
			}
			r, err := Open(bytes.NewReader(out.Bytes()), int64(out.Len()), func(*Header, []byte, []byte) error { return nil },
				func(r io.Reader) (io.Reader, error) { return r, nil })
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for err == nil {
				_, err = r.Next()
			}
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			for _, u := range r.Used() {
				t.Logf("%d of %d %s, in %d bytes", u.N, u.Limit, u.What, out.Len())
			}
		})
	}
}

// writeValues writes rows that have one value, each n times.
func writeValues(w *Writer, n int, value []byte) error {
	return writeBlocks(w, n/40, 40, value)
}

// writeRows writes blocks of many rows with a short value.
func writeRows(w *Writer, blocks, bytesOfValue int) error {
	return writeBlocks(w, blocks, MaxBlockRows, bytes.Repeat([]byte("v"), bytesOfValue))
}

func writeBlocks(w *Writer, blocks, rows int, value []byte) error {
	table, err := w.Table(Table{Name: "t", Root: "t", Key: []Column{{Name: "k"}}, Columns: []Column{{Name: "v", Slot: 1}}})
	if err != nil {
		return err
	}
	for range blocks {
		if err := w.ResetDict(); err != nil {
			return err
		}
		keys, r := Values{}, &Rows{Table: table, Columns: make([]Values, 1)}
		for i := range rows {
			keys.Bytes = append(keys.Bytes, []byte{byte(i), byte(i >> 8)})
			r.Keys, r.Masks, r.Times, r.Authors, r.Epochs = append(r.Keys, FirstRef+uint32(i)), append(r.Masks, 3), append(r.Times, 1), append(r.Authors, "a"), append(r.Epochs, 1)
			r.Columns[0].Bytes = append(r.Columns[0].Bytes, value)
		}
		if _, err := w.Keys(table, []Values{keys}); err != nil {
			return err
		}
		if err := w.Rows(r); err != nil {
			return err
		}
	}
	return nil
}
