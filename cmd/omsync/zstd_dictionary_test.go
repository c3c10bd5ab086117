package main

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/node"
)

// dictionaryFile is the compression dictionary of batch files.
var dictionaryFile = filepath.Join("..", "..", "batch", "zstd-1.dict")

// TestMakeZstdDictionary writes the compression dictionary of batch files into the file that OMSYNC_ZSTD_DICTIONARY names. In it are, as a batch has them: of each
// table of a generated clinic its description and one row; then all items of a generated registration. What is near the end is named in the
// fewest bytes. Uuids, stamps, dates and names with a number are taken out.
//
// Of a dictionary that was released no byte changes: another one is another feature.
func TestMakeZstdDictionary(t *testing.T) {
	to := os.Getenv("OMSYNC_ZSTD_DICTIONARY")
	if to == "" {
		t.Skip("OMSYNC_ZSTD_DICTIONARY names no file for the dictionary")
	}
	s := newSmallSites(t, dbtest.Server(t), buildProgram(t), 70)
	load := s.items("kisumu", filepath.Join(s.dir, "stick1"))
	s.random = rand.New(rand.NewPCG(3, 4)) // what is measured registers others
	s.register()
	dir := s.stick()
	s.omsync("kisumu", "export", "--to", dir)
	registration := blank(s.items("hub", dir))
	made := slices.Concat(packed(t, oneOfEach(load, registration)), packed(t, registration))
	if err := os.WriteFile(to, made, 0o644); err != nil {
		t.Fatal(err)
	}
}

// items returns what is in the one batch in a folder, which is for that site.
func (s *smallSites) items(site, dir string) (items []any) {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.omsync"))
	if err != nil || len(files) != 1 {
		s.Fatalf("%d files, %v", len(files), err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		s.Fatal(err)
	}
	n, err := node.Open(s.Context(), filepath.Join(s.dir, site), node.Read)
	if err != nil {
		s.Fatal(err)
	}
	defer n.Close()
	if err := n.LoadKeys(); err != nil {
		s.Fatal(err)
	}
	r, err := batch.Open(bytes.NewReader(b), int64(len(b)), func(*batch.Header, []byte, []byte) error { return nil }, n.Keys.Decrypt)
	if err != nil {
		s.Fatal(err)
	}
	defer r.Close()
	for {
		item, err := r.Next()
		if err == io.EOF {
			return items
		}
		if err != nil {
			s.Fatal(err)
		}
		items = append(items, item)
	}
}

// oneOfEach returns the description, a key and the first row of each table of a load, without those that others has.
func oneOfEach(load, others []any) (out []any) {
	var tables []*batch.TableItem
	had := map[string]bool{}
	for _, item := range others {
		if t, ok := item.(*batch.TableItem); ok {
			had[t.Table.Name] = true
		}
	}
	keys := uint32(0)
	for _, item := range load {
		switch item := item.(type) {
		case *batch.TableItem:
			tables = append(tables, item)
		case *batch.Rows:
			t := tables[item.Table].Table
			if had[t.Name] {
				continue
			}
			had[t.Name] = true
			number := keys
			key := &batch.KeysItem{N: 1}
			for _, c := range t.Key {
				part := batch.Values{Bytes: [][]byte{[]byte("1")}}
				if c.Kind == batch.KindUUID {
					part.Bytes[0] = []byte(noUUID)
				}
				if c.Ref {
					part = batch.Values{Refs: []uint32{batch.RefNowhere}}
				}
				key.Parts = append(key.Parts, part)
			}
			key.Table = number
			row := &batch.Rows{Table: number, Keys: []uint32{batch.FirstRef + keys}, Masks: item.Masks[:1], Times: item.Times[:1], Authors: item.Authors[:1], Epochs: item.Epochs[:1]}
			for _, v := range item.Columns {
				one := batch.Values{}
				if v.Bytes != nil {
					one.Bytes = v.Bytes[:1]
				}
				if v.Refs != nil {
					one.Refs = []uint32{min(v.Refs[0], batch.FirstRef)}
				}
				row.Columns = append(row.Columns, one)
			}
			keys++
			out = append(out, &batch.TableItem{Table: t}, key, row)
		}
	}
	return blank(out)
}

const noUUID = "00000000-0000-0000-0000-000000000000"

var (
	someUUID     = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	someConcept  = regexp.MustCompile(`^[0-9]+(A+)$`)
	someNumber   = regexp.MustCompile(`[^0-9 .:-].*[0-9]|[0-9].*[^0-9 .:-]`)
	someDateTime = regexp.MustCompile(`^20[0-9]{2}-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]$`)
)

// blank takes out of items what is another each time.
func blank(items []any) []any {
	values := func(list []batch.Values) {
		for _, v := range list {
			for i, b := range v.Bytes {
				switch {
				case someUUID.Match(b):
					v.Bytes[i] = []byte(noUUID)
				case someDateTime.Match(b):
					v.Bytes[i] = []byte("2026-01-01 00:00:00")
				case someConcept.Match(b):
					v.Bytes[i] = slices.Concat(bytes.Repeat([]byte("0"), len(b)-len(someConcept.FindSubmatch(b)[1])), someConcept.FindSubmatch(b)[1])
				case someNumber.Match(b):
					v.Bytes[i] = []byte("A")
				}
			}
		}
	}
	items = slices.DeleteFunc(items, func(item any) bool {
		switch item.(type) {
		case *batch.TableItem, *batch.KeysItem, *batch.Rows:
			return false
		}
		return true
	})
	for _, item := range items {
		switch item := item.(type) {
		case *batch.KeysItem:
			values(item.Parts)
		case *batch.Rows:
			values(item.Columns)
			for i := range item.Times {
				item.Times[i], item.Authors[i], item.Epochs[i] = 0, "", 1
			}
		}
	}
	return items
}

// packed returns items as a batch has them, before they are compressed.
func packed(t *testing.T, items []any) []byte {
	t.Helper()
	dictionary, err := os.ReadFile(dictionaryFile)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	h := &batch.Header{Sender: "a", Receiver: "b", Last: true, Requests: []string{batch.Need{Feature: batch.ZstdDictionary}.String()}}
	var start int64
	w, err := batch.NewWriter(&file, h, func(w io.Writer) (io.WriteCloser, error) {
		start = int64(file.Len())
		return plainText{w}, nil
	}, func([]byte) ([]byte, error) { return make([]byte, batch.SignatureSize), nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		switch item := item.(type) {
		case *batch.TableItem:
			_, err = w.Table(item.Table)
		case *batch.KeysItem:
			_, err = w.Keys(item.Table, item.Parts)
		case *batch.Rows:
			err = w.Rows(item)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	zr, err := zstd.NewReader(bytes.NewReader(file.Bytes()[start:file.Len()-batch.SignatureSize]), zstd.WithDecoderDictRaw(0, dictionary))
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	stream, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	var all []cbor.RawMessage
	for len(stream) > 0 {
		var one cbor.RawMessage
		if stream, err = cbor.UnmarshalFirst(stream, &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	var out []byte
	for _, one := range all[1 : len(all)-1] { // without the hash of the header, and the end
		out = append(out, one...)
	}
	return out
}

type plainText struct{ io.Writer }

func (plainText) Close() error { return nil }
