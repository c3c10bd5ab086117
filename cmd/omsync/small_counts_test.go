package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
)

// What a small change costs, in numbers that the work of others on the machine does not change: statements, rows that the server reads, and
// bytes. Time is for BenchmarkSmall. A limit is above what was counted when it was set, by one connection's statements, by a fifth of the rows or a
// thirtieth of the bytes: lower it when something gets cheaper.
func TestCounts(t *testing.T) {
	program, err := exec.LookPath("omsync")
	if err != nil {
		t.Fatal(err)
	}
	s := newSmallSites(t, dbtest.Own(t), program, 70)
	limits := map[string]struct{ exports, exportReads, imports, importReads, bytes int }{
		"nothing":        {exports: 84, exportReads: 10_100, imports: 38, importReads: 8_600},
		"registration":   {exports: 204, exportReads: 11_200, imports: 188, importReads: 10_700, bytes: 880},
		"100-encounters": {exports: 139, exportReads: 24_800, imports: 121, importReads: 14_200, bytes: 21_900},
	}
	for _, d := range deltas() {
		limit, ok := limits[d.name]
		if !ok {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			s.TB = t
			s.count("kisumu", true)
			s.count("hub", true)
			defer s.count("kisumu", false)
			defer s.count("hub", false)
			d.change(s)
			dir := s.stick()
			sent := s.measure("kisumu", "export", "--to", dir)
			size := 0
			if d.rows > 0 {
				size = s.bytes(dir)
			}
			taken := s.measure("hub", "import", "--from", dir)
			s.carry("hub", "kisumu")
			for _, c := range []struct {
				what      string
				is, limit int
				said      []string
			}{
				{"statements of the export", len(sent.statements), limit.exports, sent.statements},
				{"statements of the import", len(taken.statements), limit.imports, taken.statements},
				{"rows read for the export", int(sent.read), limit.exportReads, nil},
				{"rows read for the import", int(taken.read), limit.importReads, nil},
				{"bytes", size, limit.bytes, nil},
			} {
				t.Logf("%s: %d", c.what, c.is)
				if c.is > c.limit {
					t.Errorf("%s: %d, and the limit is %d\n%s", c.what, c.is, c.limit, strings.Join(c.said, "\n"))
				}
			}
		})
	}
}
