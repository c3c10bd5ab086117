package batch

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fullHeader has a value in every field.
func fullHeader() *Header {
	return &Header{
		Sender: "hub", Receiver: "kisumu", History: 0x1122334455667788, Earlier: []uint64{1, 2}, Link: 3, PeerLink: 4,
		Base: Position{Epoch: 10, Token: 0xaaaa}, Upto: Position{Epoch: 20, Token: 0xbbbb}, Ahead: true,
		Chain: []Position{{Epoch: 12, Token: 0xcccc}, {Epoch: 15, Token: 0xdddd}}, AckHistory: 5, Ack: Position{Epoch: 6, Token: 7},
		Resent: []uint64{13}, Requests: []string{"obs", "person"}, Load: 8, Part: 2, Last: true, LoadHave: 9, PartHave: 3,
		Schema: "6f1c", Time: 1760000000123456,
	}
}

// TestGolden holds the writer to the files it once wrote, and the reader to
// what they hold. They are neither encrypted nor secret: testKey signs them.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		name  string
		h     *Header
		items []any
	}{
		{"empty", testHeader(), nil},
		{"header", fullHeader(), nil},
		{"items", testHeader(), sample()},
		{"wide", wideHeader(), append(wideTable(130), wideRows(130, masksOf(130, false), masksOf(130, true)))},
		{"scopes", withScopes(testHeader()), scopeItems()},
		{"digest", digestHeader(), []any{&DigestItem{Data: []byte("package digest says what this is")}}},
		{"short-keys", withShortKeys(testHeader()), shortItems()},
		{"zstd-dictionary", withZstdDictionary(testHeader()), packedUUIDs()},
		{"obs", testHeader(), append([]any{obsTable(0)}, newClinic().obs(500)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join("..", "testdata", "batch", c.name+".batch")
			made, err := write(c.h, c.items)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, made, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			h, items, err := read(golden)
			if err != nil {
				t.Fatal(err)
			}
			if h.HasShortKeys() {
				items, c.items = nil, nil // see TestShortKeys
			}
			if !reflect.DeepEqual(h, c.h) || !reflect.DeepEqual(items, c.items) {
				t.Errorf("the golden file reads as %+v %+v", h, items)
			}
			if !bytes.Equal(made, golden) {
				t.Error("the writer makes another file: if that is meant, note it in FORMAT.md and run with -update")
			}
		})
	}
}
