package harmonise

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/match"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// Whatever tables, keys and rows a peer's file has, as far as a reader of batches lets them through, what comes of it is a report: no table, column or
// key that is not known here gets into it, and nobody panics.
func TestHostileFiles(t *testing.T) {
	s := sites.New(t, "clinic", "[natural.kind]\nname = { columns = ['name', 'parent'], certain = true }\n[natural.staff]\ncard = { of = 'card', by = 'staff_id', columns = ['number'] }\n"+
		"[natural.skill]\nboth = { columns = ['staff_id', 'kind_id'], certain = true }\n[label]\nkind = ['name', 'parent']\n",
		"CREATE TABLE kind (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50) UNIQUE, parent INT, FOREIGN KEY (parent) REFERENCES kind (id)) ENGINE=InnoDB",
		"CREATE TABLE staff (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, mail VARCHAR(50) UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE nurse (staff_id INT PRIMARY KEY, code VARCHAR(9) UNIQUE, FOREIGN KEY (staff_id) REFERENCES staff (id)) ENGINE=InnoDB",
		"CREATE TABLE card (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, staff_id INT, number VARCHAR(50), FOREIGN KEY (staff_id) REFERENCES staff (id)) ENGINE=InnoDB",
		"CREATE TABLE skill (staff_id INT NOT NULL, kind_id INT NOT NULL, PRIMARY KEY (staff_id, kind_id), FOREIGN KEY (staff_id) REFERENCES staff (id), FOREIGN KEY (kind_id) REFERENCES kind (id)) ENGINE=InnoDB")
	s.Init()
	dbtest.Exec(t, s.DB, "INSERT INTO kind (id, uuid, name, parent) VALUES (1, 'a', 'x', NULL), (2, 'b', 'y', 1)", "INSERT INTO staff (id, uuid, mail) VALUES (1, 'a', 'x'), (2, 'c', 'y')",
		"INSERT INTO nurse VALUES (1, 'x')", "INSERT INTO card (uuid, staff_id, number) VALUES ('a', 1, 'x')", "INSERT INTO skill VALUES (1, 2)")
	plan := NewPlan(s.J, &journal.Peer{ID: 1, Name: "hub", Role: access.Parent})
	here, err := plan.Database(t.Context(), s.J.DB)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"kind", "KIND", "staff", "nurse", "card", "skill", "none", "omsync_peer", "name", "NAME", "parent", "parent#key", "number", "staff_id", "kind_id", "code", "mail", "uuid", "#integer", ""}
	texts := []string{"a", "b", "c", "x", "y", "", "\x1f", "\x1e", "\x1eN", "a\x1fb", "=1", "\xff", "\u202e", strings.Repeat("z", 70_000), "0", "1"}
	rapid.Check(t, func(t *rapid.T) {
		f := plan.Files()
		x := &file{Files: f}
		var tables []batch.Table
		dict := 0
		values := func(n int, refs bool) batch.Values {
			v := batch.Values{}
			kind := rapid.IntRange(0, 3).Draw(t, "kind")
			if kind&1 != 0 || n == 0 {
				v.Bytes = make([][]byte, n)
				for i := range v.Bytes {
					if rapid.Bool().Draw(t, "not null") {
						v.Bytes[i] = []byte(rapid.SampledFrom(texts).Draw(t, "text"))
					}
				}
			}
			if kind&2 != 0 && refs {
				v.Refs = make([]uint32, n)
				for i := range v.Refs {
					v.Refs[i] = uint32(rapid.IntRange(0, dict+1).Draw(t, "ref"))
				}
			}
			return v
		}
		for range rapid.IntRange(1, 12).Draw(t, "items") {
			var item any
			switch what := rapid.IntRange(0, 5).Draw(t, "item"); {
			case what <= 1 || len(tables) == 0:
				d := batch.Table{Name: rapid.SampledFrom(names).Draw(t, "table"), Root: rapid.SampledFrom(names).Draw(t, "root")}
				for range rapid.IntRange(1, 3).Draw(t, "parts") {
					d.Key = append(d.Key, batch.Column{Name: rapid.SampledFrom(names).Draw(t, "part"), Ref: true})
				}
				for range rapid.IntRange(0, 4).Draw(t, "columns") {
					d.Columns = append(d.Columns, batch.Column{Name: rapid.SampledFrom(names).Draw(t, "column"), Ref: true})
				}
				tables = append(tables, d)
				item = &batch.TableItem{Number: uint32(len(tables) - 1), Table: d}
			case what == 2:
				n := rapid.IntRange(1, 4).Draw(t, "keys")
				at := rapid.IntRange(0, len(tables)-1).Draw(t, "of")
				k := &batch.KeysItem{Table: uint32(at), First: uint32(dict) + batch.FirstRef, N: n}
				for range tables[at].Key {
					k.Parts = append(k.Parts, values(n, true))
				}
				item, dict = k, dict+n
			case what == 3 && rapid.IntRange(0, 3).Draw(t, "empty") == 0:
				item, dict = &batch.ResetItem{}, 0
			default:
				at := rapid.IntRange(0, len(tables)-1).Draw(t, "of")
				n := rapid.IntRange(1, 4).Draw(t, "rows")
				b := &batch.Rows{Table: uint32(at), Keys: make([]uint32, n)}
				for i := range b.Keys {
					b.Keys[i] = uint32(rapid.IntRange(0, dict+1).Draw(t, "key"))
				}
				for range tables[at].Columns {
					b.Columns = append(b.Columns, values(n, true))
				}
				item = b
			}
			if err := x.take(item); err != nil {
				t.Fatal(err)
			}
		}
		there := f.Side("hub")
		c := match.Compare(here, there, nil, nil)
		r := c.Report()
		known := fmt.Sprint(plan.names())
		for _, list := range [][]match.Line{r.Matched, r.Proposed, r.Collisions, r.OnlyHere, r.OnlyThere} {
			for _, l := range list {
				if !strings.Contains(known, l.Table) || len([]rune(l.LabelThere)) > 120 || strings.ContainsAny(l.LabelThere, "\u202e\x1f\n") {
					t.Fatalf("%+v", l)
				}
				match.Shown(l.There)
			}
		}
		c.Check([]match.Decision{{Table: "kind", Here: "a", There: "b", Kind: match.Same, LabelHere: "x"}, {Table: "staff", Here: "a", There: "\xff", Kind: match.Apart}})
	})
}

func (p *Plan) names() (out []string) {
	for _, t := range p.tables {
		out = append(out, t.Name)
	}
	return out
}
