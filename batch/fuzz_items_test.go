package batch_test

import (
	"bytes"
	"errors"
	"io"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/forge"
)

// FuzzItems reads whole batches past their signature: items by a program, over and over again. What a reader has read and holds must stay
// within the bounds, whatever the items are; so must the memory of the process and the time.
func FuzzItems(f *testing.F) {
	table, keys, reset := []byte{0, 0, 0, 0, 0}, []byte{0, 1, 250, 0, 3, 1, 1}, []byte{0, 3}
	f.Add(slices.Concat(table, keys, reset), uint16(5000))
	f.Add(slices.Concat(table, keys, reset), uint16(1<<15+5000))                                                                // with a compression dictionary
	f.Add(slices.Concat(table, keys, []byte{0, 7}, table, keys, []byte{0, 4, 1, 2, 0, 0, 0}, []byte{0, 7}), uint16(1<<14+5000)) // sections
	f.Add(bytes.Repeat([]byte{0, 7}, 100), uint16(1<<14+5000))
	f.Add(slices.Concat(table, []byte{0, 8, 5, 250, 0, 8, 0, 3, 8, 17}), uint16(5))                                                                          // short keys, and their check
	f.Add(slices.Concat(table, []byte{0, 8, 5, 250}, []byte{0, 3}), uint16(5000))                                                                            // very many
	f.Add(slices.Concat(table, []byte{0, 0, 1, 1, 1, 0}, []byte{0, 1, 1, 0, 1, 9}, bytes.Repeat([]byte{1, 1, 1, 1, 2, 249, 0, 2, 249, 0}, 30)), uint16(0))   // keys made of keys
	f.Add(slices.Concat(table, []byte{0, 1, 100, 0, 1, 205}), uint16(60))                                                                                    // long keys
	f.Add([]byte{0, 0, 0, 0, 199}, uint16(5000))                                                                                                             // columns
	f.Add(slices.Concat([]byte{0, 0, 0, 0, 3, 0, 0, 1}, keys, []byte{0, 4, 250, 2, 0, 5, 1, 3, 1, 5, 1, 5, 2, 2, 0}, reset), uint16(5000))                   // rows
	f.Add(slices.Concat(table, keys, []byte{0, 5, 250, 2, 2, 1}, reset), uint16(5000))                                                                       // deletions
	f.Add(slices.Concat(table, keys, []byte{0, 6, 250, 2, 7, 1, 0, 0, 0, 0, 0}, reset), uint16(5000))                                                        // conflict records
	f.Add([]byte("00\xf2\xf2\x003\x00\x001\xc80AC\x00X\x02\x00\x02C"), uint16(500))                                                                          // of which the items once took all memory
	f.Add(slices.Concat([]byte{0, 0, 0, 0, 100}, make([]byte, 100), keys, []byte{0, 4, 1, 2, 0, 0, 0, 100}, bytes.Repeat([]byte{1, 250}, 100)), uint16(500)) // long values
	debug.SetMemoryLimit(128 << 20)                                                                                                                          // as the program does
	f.Fuzz(func(t *testing.T, ops []byte, again uint16) {
		if len(ops) > 400 {
			return
		}
		var file bytes.Buffer
		h := &batch.Header{Sender: "stolen", Receiver: "hub", Upto: batch.Position{Epoch: 1, Token: 1}, Last: true, Requests: []string{batch.Need{Feature: batch.ShortKeys}.String()}}
		if again >= 1<<15 {
			h.Requests = append(h.Requests, batch.Need{Feature: batch.ZstdDictionary}.String())
		}
		if again>>14&1 == 1 {
			h.Requests = append(h.Requests, batch.Need{Feature: batch.Sections}.String())
		}
		err := forge.WritePlain(&file, h, func(s *forge.Stream) {
			p := forge.Program{Epoch: 1}
			p.Write(s, ops, int(again%300), 4<<20) // the fuzzer gives an input 10 seconds, with its own instruments in the program
		})
		if err != nil {
			t.Fatal(err)
		}
		debug.FreeOSMemory()
		peak := forge.Memory(t)
		begin := time.Now()
		r, err := batch.Open(bytes.NewReader(file.Bytes()), int64(file.Len()), func(*batch.Header, []byte, []byte) error { return nil }, func(r io.Reader) (io.Reader, error) { return r, nil })
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for err == nil {
			_, err = r.Next()
		}
		took, held := time.Since(begin), peak()
		if err != io.EOF && !errors.Is(err, batch.ErrCorrupt) && !errors.Is(err, batch.ErrTruncated) {
			t.Fatalf("error of no class: %v", err)
		}
		for _, u := range r.Used() {
			if u.N > u.Limit && !errors.Is(err, batch.ErrExcess) {
				t.Errorf("%d %s, more than %d, and %v", u.N, u.What, u.Limit, err)
			}
		}
		t.Logf("%d bytes of file, %d MiB of memory, %v: %v", file.Len(), held>>20, took, err)
		if held > 160<<20 {
			t.Errorf("%d MiB of memory, for %d bytes of file", held>>20, file.Len())
		}
		if took > 30*time.Second {
			t.Errorf("it took %s, for %d bytes of file", took, file.Len())
		}
	})
}
