package apply_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// itemRow is a row of a table as a block of a file has it.
type itemRow struct {
	key, v, code, parent string // "": NULL
	time                 int64
}

// itemBlocks writes blocks of rows. In turns: whatever stands between two blocks has the first settled before anything of the next is asked, as a
// reset does.
func itemBlocks(blocks [][]itemRow, inTurns bool) func(w *batch.Writer) error {
	table := batch.Table{Name: "item", Root: "item", Key: []batch.Column{{Name: "uuid"}},
		Columns: []batch.Column{{Name: "v", Slot: 1}, {Name: "code", Slot: 2}, {Name: "parent_id", Slot: 3, Ref: true}}}
	text := func(s string) []byte {
		if s == "" {
			return nil
		}
		return []byte(s)
	}
	return func(w *batch.Writer) error {
		n, err := w.Table(table)
		if err != nil {
			return err
		}
		places := map[string]uint32{}
		for _, rows := range blocks {
			if inTurns {
				if err := w.ResetDict(); err != nil {
					return err
				}
				clear(places)
			}
			for _, r := range rows {
				for _, key := range []string{r.key, r.parent} {
					if _, known := places[key]; known || key == "" {
						continue
					}
					if places[key], err = w.Keys(n, []batch.Values{{Bytes: [][]byte{[]byte(key)}}}); err != nil {
						return err
					}
				}
			}
			b := &batch.Rows{Table: n, Columns: make([]batch.Values, 3)}
			for _, r := range rows {
				parent := batch.RefNull
				if r.parent != "" {
					parent = places[r.parent]
				}
				b.Columns[0].Bytes, b.Columns[1].Bytes = append(b.Columns[0].Bytes, text(r.v)), append(b.Columns[1].Bytes, text(r.code))
				b.Columns[2].Refs = append(b.Columns[2].Refs, parent)
				b.Keys, b.Masks, b.Times = append(b.Keys, places[r.key]), append(b.Masks, 15), append(b.Times, r.time)
				b.Authors, b.Epochs = append(b.Authors, "hub"), append(b.Epochs, 1000)
			}
			if err := w.Rows(b); err != nil {
				return err
			}
		}
		return nil
	}
}

// twins are two clinics of a hub that have the same rows.
func twins(t *testing.T) (files [2]*sites.File, clinics [2]*sites.Site) {
	ddl := "CREATE TABLE item (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, v VARCHAR(50), code VARCHAR(20) NULL UNIQUE, parent_id INT NULL, " +
		"FOREIGN KEY (parent_id) REFERENCES item (id)) ENGINE=InnoDB"
	hub := sites.New(t, "hub", "none", ddl)
	hub.Exec("INSERT INTO item (uuid, v, code) VALUES ('i-0', 'v', 'c-0'), ('i-1', 'v', 'c-1'), ('i-2', 'v', 'c-2'), ('i-3', 'v', NULL), ('i-4', 'v', NULL)")
	hub.Init()
	for i := range clinics {
		clinics[i] = sites.New(t, fmt.Sprintf("clinic-%d", i), "none", ddl)
		clinics[i].Init()
		hub.Connect(clinics[i])
	}
	sites.ExchangeTwice(hub, clinics[0], clinics[1])
	hub.Exec("UPDATE item SET v = 'w' WHERE uuid = 'i-4'")
	for i, c := range clinics {
		files[i] = hub.Export(c)[0]
	}
	return files, clinics
}

// stateOf is all rows of a clinic with their versions, and what lost. What was made there has its time of now, which is 1000 here.
func stateOf(s *sites.Site) [][]string {
	out := s.Query("SELECT i.id, i.uuid, i.v, i.code, p.uuid FROM item i LEFT JOIN item p ON p.id = i.parent_id ORDER BY i.id")
	out = append(out, s.Query("SELECT i.uuid, v.column_mask, LEAST(v.time, 1000) FROM omsync_version v JOIN item i ON i.id = v.local_id JOIN omsync_table t ON t.id = v.table_id AND t.name = 'item' ORDER BY 1, 2, 3")...)
	return append(out, s.Query("SELECT row_key, column_name, value, LEAST(loser_time, 1000), LEAST(winner_time, 1000) FROM omsync_conflict ORDER BY 1, 2, 3, 4, 5")...)
}

// What is found for a block while the one before is settled is what would be found after it: a file comes to the same whichever way, with rows that
// come again in the next block, values that only one row may have going from one to another, and rows that refer to those of other blocks.
func TestBlocksLookedUpAheadComeToTheSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			files, clinics := twins(t)
			blocks := randomItems(rand.New(rand.NewPCG(seed, 88)))
			var reports [2]*apply.Report
			for i, c := range clinics {
				c.Exec("UPDATE item SET v = 'made here' WHERE uuid = 'i-1'", "INSERT INTO item (uuid, v, code) VALUES ('i-own', 'v', 'c-3')")
				c.Seal()
				r, err := c.ImportErr(forge(t, files[i], itemBlocks(blocks, i == 1)), signed, func(o *apply.Options) { o.Strict = false })
				if err != nil {
					t.Fatal(err)
				}
				reports[i] = r
			}
			if ahead, inTurns := stateOf(clinics[0]), stateOf(clinics[1]); !reflect.DeepEqual(ahead, inTurns) {
				t.Errorf("looked up ahead:\n%v\nin turns:\n%v\nof %v", ahead, inTurns, blocks)
			}
			if a, b := reports[0], reports[1]; a.Inserted != b.Inserted || a.Updated != b.Updated || a.Unchanged != b.Unchanged || a.Conflicts != b.Conflicts {
				t.Errorf("%+v, and in turns %+v", a, b)
			}
		})
	}
}

// randomItems makes blocks of few rows each, most of which say what is here.
func randomItems(r *rand.Rand) (blocks [][]itemRow) {
	now := map[string]itemRow{}
	for i := range 5 {
		row := itemRow{key: fmt.Sprintf("i-%d", i), v: "v"}
		if i < 3 {
			row.code = fmt.Sprintf("c-%d", i)
		}
		now[row.key] = row
	}
	for range 40 {
		var rows []itemRow
		for _, k := range r.Perm(8)[:1+r.IntN(3)] {
			row, known := now[fmt.Sprintf("i-%d", k)]
			if row.key = fmt.Sprintf("i-%d", k); !known || r.IntN(5) == 0 {
				row.v, row.time = fmt.Sprintf("v-%d", r.IntN(1000)), row.time+int64(r.IntN(3))
				row.code, row.parent = "", ""
				if n := r.IntN(5); known && n < 4 {
					row.code = fmt.Sprintf("c-%d", n)
				}
				if n := r.IntN(16); n < 8 {
					row.parent = fmt.Sprintf("i-%d", n)
				}
				if r.IntN(3) > 0 {
					now[row.key] = row
				}
			}
			rows = append(rows, row)
		}
		blocks = append(blocks, rows)
	}
	return blocks
}
