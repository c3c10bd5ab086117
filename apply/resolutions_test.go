package apply_test

import (
	"errors"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// A child's decision about a conflict is taken where it names a record that is here, of a row that the child may change, and a stamp that a
// clock can show. Nothing else of it does anything, and what is none refuses the file.
func TestForgedResolutions(t *testing.T) {
	profile := "[direction]\nadd = [\"bed\"]\n"
	ddl := []string{"CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB",
		"CREATE TABLE bed (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB"}
	hub, clinic, other := sites.New(t, "hub", profile, ddl...), sites.New(t, "clinic", profile, ddl...), sites.New(t, "other", profile, ddl...)
	for _, s := range []*sites.Site{hub, clinic, other} {
		s.Init()
	}
	hub.Connect(clinic)
	hub.Connect(other)
	hub.Exec("INSERT INTO ward (uuid, name) VALUES ('w-1', 'a'), ('w-2', 'a')")
	other.Exec("INSERT INTO bed (uuid, name) VALUES ('b-1', 'a')")
	sites.ExchangeTwice(hub, clinic, other)
	for _, s := range []*sites.Site{clinic, other, hub} { // the hub is the last
		s.Exec("UPDATE ward SET name = 'of "+s.Name+"'", "UPDATE bed SET name = 'of "+s.Name+"'")
		time.Sleep(5 * time.Millisecond)
	}
	sites.ExchangeTwice(hub, clinic, other)
	digest := func(table, key string) []byte {
		return []byte(hub.One("SELECT digest FROM omsync_conflict WHERE table_name = '" + table + "' AND row_key = '" + key + "' AND loser_author <> 'hub' LIMIT 1"))
	}
	ward, bed := digest("ward", "w-1"), digest("bed", "b-1")
	clinic.Exec("INSERT INTO ward (uuid, name) VALUES ('w-9', 'a')")
	f := clinic.Export(hub)[0]
	now := time.Now().UnixMicro()
	for _, c := range []struct {
		says       string
		table, key string
		value      []byte
		how        string
		time       int64
		author     string
		corrupt    bool
		taken      string // what is decided afterwards
	}{
		{"a digest that is none", "ward", "w-1", []byte("short"), "lost", now, "clinic", true, "0"},
		{"no digest", "ward", "w-1", nil, "lost", now, "clinic", true, "0"},
		{"a decision that is none", "ward", "w-1", ward, "perhaps", now, "clinic", true, "0"},
		{"an author that is none", "ward", "w-1", ward, "lost", now, "\x1b[31m", true, "0"},
		{"a record that is not here", "ward", "w-1", []byte("0123456789abcdef"), "lost", now, "clinic", false, "0"},
		{"another row's record", "ward", "w-2", ward, "lost", now, "clinic", false, "0"},
		{"another table's record", "ward", "b-1", bed, "lost", now, "clinic", false, "0"},
		{"a row of somebody else", "bed", "b-1", bed, "lost", now, "clinic", false, "0"},
		{"a stamp of the far future", "ward", "w-1", ward, "lost", now + int64(100*365*24*time.Hour/time.Microsecond), "clinic", false, "0"},
		{"a decision", "ward", "w-1", ward, "dismissed", now, "clinic", false, "1"},
		{"one of before", "ward", "w-1", ward, "open", now - 1, "clinic", false, "1"},
	} {
		r, err := hub.ImportErr(forge(t, f, func(w *batch.Writer) error {
			n, err := w.Table(batch.Table{Name: c.table, Root: c.table, Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "name", Slot: 1}}})
			if err != nil {
				return err
			}
			first, err := w.Keys(n, []batch.Values{{Bytes: [][]byte{[]byte(c.key)}}})
			if err != nil {
				return err
			}
			return w.Records(&batch.Records{Table: n, Keys: []uint32{first}, Columns: []string{"name"}, Values: [][]byte{c.value}, LostTimes: []int64{5}, LostAuthors: []string{"clinic"},
				WonTimes: []int64{c.time}, WonAuthors: []string{c.author}, At: []int64{c.time}, Epochs: []uint64{1000}, Notes: []string{"resolution:" + c.how}})
		}), signed)
		if errors.Is(err, batch.ErrCorrupt) != c.corrupt || err != nil && !c.corrupt || err == nil && (r.Conflicts != 0 || r.Outcome != apply.Applied) {
			t.Errorf("%s: %+v, %v", c.says, r, err)
		}
		if got := hub.One("SELECT COUNT(*) FROM omsync_resolution WHERE resolution <> 'open'"); got != c.taken {
			t.Errorf("%s: %s are decided, not %s", c.says, got, c.taken)
		}
		if c.corrupt || err != nil {
			continue
		}
		clinic.Exec("UPDATE ward SET name = CONCAT(name, '.') WHERE uuid = 'w-9'")
		f = clinic.Export(hub)[0]
	}
}
