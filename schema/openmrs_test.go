package schema

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// read makes a database of the statements and reads it.
func read(t *testing.T, p *Profile, ddl ...string) *Catalogue {
	t.Helper()
	s := dbtest.Server(t)
	name, _ := s.Database(t, ddl...)
	c, err := Read(t.Context(), s.Open(t, name), name, p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func builtin(t *testing.T, name string) *Profile {
	t.Helper()
	p, err := Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The golden files are the same on every server: run with OMSYNC_TEST_DSN set to each.
func TestOpenMRS(t *testing.T) {
	p := builtin(t, "openmrs")
	for _, version := range []string{"1.9", "2.6"} {
		t.Run(version, func(t *testing.T) {
			s := dbtest.Server(t)
			name, _ := s.Database(t, openmrs.Schema(version)...)
			db := s.Open(t, name)
			if _, err := Read(t.Context(), db, name, p); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			c, err := Read(t.Context(), db, name, p)
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			t.Logf("read %d tables in %v", len(c.Tables), took)
			if took > 3*time.Second {
				t.Errorf("reading took %v: some query is no longer answered from the dictionary", took)
			}
			file := filepath.Join("testdata", "openmrs-"+version+".golden")
			got := dump(c, p)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if line, g, w := difference(got, string(want)); line > 0 {
				t.Errorf("%s:%d: read\n%s\nwant\n%s\n(go test -update writes it anew)", file, line, g, w)
			}
			checkOrder(t, c)
		})
	}
}

// difference returns the first line in which two texts differ, 0 if none.
func difference(a, b string) (line int, inA, inB string) {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(x), len(y)) {
		inA, inB = "", ""
		if i < len(x) {
			inA = x[i]
		}
		if i < len(y) {
			inB = y[i]
		}
		if inA != inB || i >= len(x) || i >= len(y) {
			return i + 1, inA, inB
		}
	}
	return 0, "", ""
}

// checkOrder fails where the order breaks its promise for a catalogue without cycles of NOT NULL references.
func checkOrder(t *testing.T, c *Catalogue) {
	t.Helper()
	for i, table := range c.Order() {
		if table.Position != i || !table.Replicated {
			t.Errorf("%s: position %d, want %d; travels %t", table.Name, table.Position, i, table.Replicated)
		}
		for _, r := range table.Children {
			from := r.From.Table
			if from.Replicated && from != table && !r.From.Nullable && r.When == nil && from.Position < i {
				t.Errorf("%s.%s must exist before %s, but comes after it", table.Name, r.ToColumn.Name, from.Name)
			}
			if r.From.Ref == r && r.From.Key && from.Depth <= table.Depth && from != table && from.Replicated {
				t.Errorf("%s has depth %d, its parent %s %d", from.Name, from.Depth, table.Name, table.Depth)
			}
		}
	}
	if n := len(slices.DeleteFunc(slices.Clone(c.Tables), func(t *Table) bool { return !t.Replicated })); n != len(c.Order()) {
		t.Errorf("%d tables travel, %d are in the order", n, len(c.Order()))
	}
}
