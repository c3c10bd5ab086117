package forge_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/forge"
)

const excess = "batch asks for more than any file may"

var (
	uuid = []any{forge.Column("uuid", batch.KindText, false, 0)}
	site = []any{forge.Table, 0, "site", "site", uuid, []any{forge.Column("name", batch.KindText, false, 1)}}
	note = []any{forge.Table, 0, "note", "note", uuid, []any{forge.Column("body", batch.KindText, false, 1)}}
)

// A few bytes that stand for very much cost the hub little, and others nothing.
func TestBudgets(t *testing.T) {
	w := newNetwork(t)
	epoch := w.forger.Header.Upto.Epoch
	for _, c := range []struct {
		name  string
		why   string
		items func(s *forge.Stream)
	}{
		{"keys made of the previous key twice", excess, func(s *forge.Stream) {
			pair := []any{forge.Column("a", 0, true, 0), forge.Column("b", 0, true, 0)}
			s.Item(forge.Table, 0, "x", "x", uuid, []any{})
			s.Item(forge.Table, 1, "twice", "twice", pair, []any{})
			s.Item(forge.Keys, 0, 2, 1, []any{forge.All([]byte("0123456789"))})
			for i := range 40 {
				s.Item(forge.Keys, 1, i+3, 1, []any{[]any{forge.Refs, forge.Run(uint64(i+2), 0)}, []any{forge.Refs, forge.Run(uint64(i+2), 0)}})
			}
			s.Item(forge.End, 43, 0, 0, 0)
		}},
		{"keys made of the previous key, a million deep", excess, func(s *forge.Stream) {
			s.Item(forge.Table, 0, "x", "x", uuid, []any{})
			s.Item(forge.Table, 1, "chain", "chain", []any{forge.Column("a", 0, true, 0)}, []any{})
			s.Item(forge.Keys, 0, 2, 1, []any{forge.All([]byte("0"))})
			for i := range 64 {
				n := batch.MaxBlockRows
				s.Item(forge.Keys, 1, 3+i*n, n, []any{[]any{forge.Refs, forge.Run(uint64(2+i*n), 1)}})
			}
		}},
		{"keys, then reset", excess, func(s *forge.Stream) {
			s.Item(site...)
			for range 200_000 {
				s.Item(forge.Keys, 0, 2, batch.MaxBlockRows, []any{forge.All([]byte("0123456789"))})
				s.Item(forge.Reset)
			}
		}},
		{"one key, then reset", excess, func(s *forge.Stream) {
			s.Item(site...)
			for range 2_000_000 {
				s.Item(forge.Keys, 0, 2, 1, []any{forge.All([]byte("0123456789"))})
				s.Item(forge.Reset)
			}
		}},
		{"resets", excess, func(s *forge.Stream) {
			s.Bytes(bytes.Repeat([]byte{0x81, forge.Reset}, 20_000_000))
		}},
		{"keys of 60 MB", excess, func(s *forge.Stream) {
			s.Item(site...)
			for i := range 30 {
				s.Item(forge.Keys, 0, 2+i, 1, []any{forge.All(make([]byte, 60_000_000))})
			}
		}},
		{"keys of the greatest length", excess, func(s *forge.Stream) {
			s.Item(site...)
			for i := range 20_000 {
				s.Item(forge.Keys, 0, 2+i, 1, []any{forge.All(bytes.Repeat([]byte{'k'}, batch.MaxKey))})
			}
		}},
		{"400 tables of 4,000 columns", excess, func(s *forge.Stream) {
			for i := range 400 {
				var columns []any
				for c := range 4000 {
					columns = append(columns, forge.Column(fmt.Sprintf("a column of a long name, which differs from that of all others %d", c), 0, false, 1))
				}
				s.Item(forge.Table, i, fmt.Sprint("t", i), fmt.Sprint("t", i), uuid, columns)
			}
		}},
		{"rows of very many values", excess, func(s *forge.Stream) {
			var columns, values []any
			for c := range 512 {
				columns, values = append(columns, forge.Column(fmt.Sprint("c", c), 0, false, 1)), append(values, forge.All([]byte("x")))
			}
			s.Item(forge.Table, 0, "note", "note", uuid, columns)
			s.Item(forge.Keys, 0, 2, batch.MaxBlockRows, []any{[]any{forge.Int, forge.Run(1000, 1)}})
			for range 1000 {
				s.Item(forge.Block(0, batch.MaxBlockRows, 2, thief, epoch, values...)...)
			}
		}},
		{"a stream of gigabytes", "batch is damaged", func(s *forge.Stream) { // nothing of it is read before its first bytes make sense
			s.Item(note...)
			s.Item(forge.Keys, 0, 2, 1, []any{forge.All([]byte("k"))})
			s.Zeros(2 << 30)
		}},
		{"large values that are left out, one after the other", excess, func(s *forge.Stream) {
			s.Item(forge.Table, 0, "note", "note", uuid, []any{forge.Column("nowhere", 0, false, 1)})
			s.Item(forge.Keys, 0, 2, 1, []any{forge.All([]byte("k"))})
			b := make([]byte, 60_000_000)
			for range 40 {
				s.Item(forge.Block(0, 1, 2, thief, epoch, forge.All(b))...)
			}
		}},
		{"a value as long as a statement may be", "batch is cut short|server error 1118", // MySQL 5.6 takes a tenth of its log for one value
			func(s *forge.Stream) {
				s.Item(note...)
				s.Item(forge.Keys, 0, 2, 2, []any{[]any{forge.Int, forge.Run(1, 1)}})
				s.Item(forge.Block(0, 2, 2, thief, epoch, forge.All(bytes.Repeat([]byte("x"), 52<<20-1000)))...)
				s.Item(forge.Reset)
			}},
		{"a value that is longer", "cannot wait here", func(s *forge.Stream) {
			s.Item(note...)
			s.Item(forge.Keys, 0, 2, 1, []any{[]any{forge.Int, forge.Run(1, 1)}})
			s.Item(forge.Block(0, 1, 2, thief, epoch, forge.All(bytes.Repeat([]byte("x"), batch.MaxValue)))...)
		}},
		{"a long value that waits, and is longer as it is kept", "cannot wait here", func(s *forge.Stream) {
			s.Item(note...)
			s.Item(forge.Keys, 0, 2, 1, []any{forge.All([]byte(strings.Repeat("k", 50)))}) // longer than the column
			s.Item(forge.Block(0, 1, 2, thief, epoch, forge.All(bytes.Repeat([]byte{1}, 45<<20)))...)
		}},
		{"values as long as may wait", "MiB, of kisumu wait then|server error", func(s *forge.Stream) {
			s.Item(note...)
			s.Item(forge.Keys, 0, 2, 1, []any{forge.All([]byte(strings.Repeat("k", 50)))})
			for _, char := range []byte{1, '"', '\\', 'x', 0xff} {
				s.Item(forge.Block(0, 1, 2, thief, epoch, forge.All(bytes.Repeat([]byte{char}, 16<<20-1000)))...)
			}
		}},
		{"a long value in many rows", excess, func(s *forge.Stream) {
			s.Item(note...)
			for i := range 8 {
				s.Item(forge.Keys, 0, 2, 15, []any{[]any{forge.Int, forge.Run(uint64(1000+i*15), 1)}})
				s.Item(forge.Block(0, 15, 2, thief, epoch, forge.All(make([]byte, 4<<20)))...)
				s.Item(forge.Reset)
			}
		}},
		{"a dictionary and a block at their bounds", "batch is cut short", func(s *forge.Stream) {
			var columns, values []any
			for c := range 512 {
				columns, values = append(columns, forge.Column(fmt.Sprint("c", c), 0, false, 1)), append(values, forge.All([]byte("x")))
			}
			s.Item(forge.Table, 0, "note", "note", uuid, columns)
			n := batch.MaxBlockRows
			s.Item(forge.Keys, 0, 2, n, []any{[]any{forge.Int, forge.Run(1000, 1)}})
			for i := range 23 * 64 {
				s.Item(forge.Keys, 0, 2+n+i, 1, []any{forge.All(bytes.Repeat([]byte{'k'}, 65_000))})
			}
			s.Item(forge.Block(0, n, 2, thief, epoch, values...)...)
			s.Item(forge.Reset)
		}},
		{"references to rows that never come", "more than 100000 rows, or 64 MiB, of kisumu wait then", func(s *forge.Stream) {
			s.Item(site...)
			s.Item(forge.Table, 1, "visit", "visit", uuid, []any{forge.Column("site_id", 0, true, 1)})
			const n = 4000
			for i := range 40 {
				long := make([]byte, 0, n*4000) // keys that differ in their first bytes
				for k := range n {
					long = append(long, fmt.Sprintf("%04d%04d%*s", i, k, 4000-8, "")...)
				}
				s.Item(forge.Keys, 0, 2, n, []any{[]any{forge.Plain, forge.Run(4000, 0), long}})
				s.Item(forge.Keys, 1, 2+n, n, []any{[]any{forge.Int, forge.Run(uint64(1000+i*n), 1)}})
				s.Item(forge.Block(1, n, 2+n, thief, epoch, []any{forge.Refs, forge.Run(2, 1)})...)
				s.Item(forge.Reset)
			}
		}},
		{"a dictionary that is full, and rows of it", "", func(s *forge.Stream) {
			s.Item(forge.Table, 0, "label", "label", []any{forge.Column("name", batch.KindText, false, 0)}, []any{forge.Column("v", batch.KindText, false, 1)})
			n := batch.MaxBlockRows
			for i := range batch.MaxDict / n {
				s.Item(forge.Keys, 0, 2+i*n, n, []any{[]any{forge.Int, forge.Run(1e18+uint64(i*n), 1)}})
			}
			s.Item(forge.End, 1+batch.MaxDict/n, 0, 0, 0)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.attack(t, c.name, c.items, c.why)
		})
	}
}

// A batch of very many rows is worked at for a while. Who asks it to stop need not wait, and the next run finds the lock free.
func TestImportStops(t *testing.T) {
	w := newNetwork(t)
	r := rand.New(rand.NewPCG(1, 2))
	for name, items := range map[string]func(s *forge.Stream){
		"rows": func(s *forge.Stream) {
			s.Item(site...)
			for i := range 60 {
				n := batch.MaxBlockRows
				s.Item(forge.Keys, 0, 2, n, []any{[]any{forge.Int, forge.Run(uint64(1000+i*n), 1)}})
				s.Item(forge.Block(0, n, 2, thief, w.forger.Header.Upto.Epoch, forge.All([]byte("forged")))...)
				s.Item(forge.Reset)
			}
		},
		"keys": func(s *forge.Stream) {
			s.Item(site...)
			noise := make([]byte, 8<<20) // what makes the file large enough for so many keys
			for i := range noise {
				noise[i] = byte(r.Uint32())
			}
			s.Item(forge.Keys, 0, 2, 128, []any{[]any{forge.Plain, forge.Run(1<<16-1, 0), noise[:128*(1<<16-1)]}})
			for range 200_000 {
				s.Item(forge.Reset)
				s.Item(forge.Keys, 0, 2, batch.MaxBlockRows, []any{[]any{forge.Int, forge.Run(1, 1)}})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(w.stick("forged"), "long-"+name+".omsync")
			if err := w.forger.WriteStream(file, items); err != nil {
				t.Fatal(err)
			}
			cmd, errs := w.start(file)
			time.Sleep(2 * time.Second)
			took := stop(t, cmd)
			t.Logf("it stopped after %s, exit code %d: %s", took, cmd.ProcessState.ExitCode(), errs)
			if cmd.ProcessState.ExitCode() != 130 || took > 5*time.Second {
				t.Errorf("it stopped after %s, with exit code %d, want 130: %s", took, cmd.ProcessState.ExitCode(), errs)
			}
			w.exchange(honest)
			if n := w.one[hub]("SELECT COUNT(*) FROM site WHERE name = 'forged'"); n != "0" {
				t.Errorf("%s rows are left", n)
			}
		})
	}
}

// A small file may bring a million rows, and no more. It takes minutes: OMSYNC_FORGE_LONG=1 runs it.
func TestRowsOfASmallFile(t *testing.T) {
	if os.Getenv("OMSYNC_FORGE_LONG") != "1" {
		t.Skip("it takes minutes: set OMSYNC_FORGE_LONG=1")
	}
	w := newNetwork(t)
	w.attack(t, "rows", func(s *forge.Stream) {
		s.Item(site...)
		for i := range 2000 {
			n := batch.MaxBlockRows
			s.Item(forge.Keys, 0, 2, n, []any{[]any{forge.Int, forge.Run(uint64(1000+i*n), 1)}})
			s.Item(forge.Block(0, n, 2, thief, w.forger.Header.Upto.Epoch, forge.All([]byte("forged")))...)
			s.Item(forge.Reset)
		}
	}, excess)
}
