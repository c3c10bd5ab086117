package conflicts_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// told puts a record into a site's journal as a peer may have told it, and returns its number.
func told(t *testing.T, s *sites.Site, c journal.Conflict) uint64 {
	t.Helper()
	s.Seal()
	c.Loser, c.Winner, c.At = merge.Stamp{Time: 5, Author: "kisumu"}, merge.Stamp{Time: 6, Author: "hub"}, 6
	for _, p := range []string{"kisumu", "hub"} {
		if _, err := fmt.Sscan(s.One("SELECT COALESCE((SELECT id FROM omsync_peer WHERE name = '"+p+"'), 0)"), &c.Over); err != nil {
			t.Fatal(err)
		}
		if c.Over != 0 {
			break
		}
	}
	c.From = c.Over
	if _, err := fmt.Sscan(s.One("SELECT MAX(id) FROM omsync_epoch"), &c.Epoch); err != nil {
		t.Fatal(err)
	}
	conn, err := s.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, _, err := journal.PutConflicts(t.Context(), conn, []journal.Conflict{c}); err != nil {
		t.Fatal(err)
	}
	var id uint64
	if _, err := fmt.Sscan(s.One("SELECT MAX(id) FROM omsync_conflict"), &id); err != nil {
		t.Fatal(err)
	}
	return id
}

// Whatever a record says, it is listed and shown without harm, dismissed, and taken only where it fits.
func TestHostileRecords(t *testing.T) {
	n := newNetwork(t, "[direction]\nadd = [\"bed\"]\n")
	n.hub.Exec("INSERT INTO bed (uuid, ward_id, note) SELECT 'of the hub', id, 'mine' FROM ward WHERE uuid = 'a'")
	n.same()
	before := n.hub.Dump()
	text := func(s string) *string { return &s }
	rude := "\x1b[2J\u009b31m\u202e\x00\xff'; DROP TABLE ward; --"
	for _, c := range []struct {
		says    string
		record  journal.Conflict
		refused string // what taking it says; "": it is taken
	}{
		{"a table that is not here", journal.Conflict{Table: "no_such", Key: "a", Column: "name", Value: text("x")}, "the table is no longer here"},
		{"a table of omsync's own", journal.Conflict{Table: "omsync_peer", Key: "1", Column: "name", Value: text("x")}, "the table is no longer here"},
		{"a table in other letters", journal.Conflict{Table: "ward`; DROP TABLE ward", Key: "a", Column: "name", Value: text("x")}, "the table is no longer here"},
		{"a column that is not here", journal.Conflict{Table: "ward", Key: "a", Column: "no_such", Value: text("x")}, "it has no column no_such any more"},
		{"the number that stays here", journal.Conflict{Table: "ward", Key: "a", Column: "id", Value: text("1")}, "it has no column id any more"},
		{"rude text", journal.Conflict{Table: "ward", Key: rude, Column: rude, Value: &rude}, "it is gone here"},
		{"a rude column", journal.Conflict{Table: "ward", Key: "a", Column: rude, Value: &rude}, "any more"},
		{"a rude value", journal.Conflict{Table: "ward", Key: "a", Column: "size", Value: &rude}, "cannot be taken"},
		{"a huge value", journal.Conflict{Table: "ward", Key: "a", Column: "name", Value: text(strings.Repeat("x\x1b", 3<<20))}, "cannot be taken"},
		{"a row that was never here", journal.Conflict{Table: "ward", Key: "never", Column: "name", Value: text("x")}, "it is gone here"},
		{"a deletion of it", journal.Conflict{Table: "ward", Key: "never", Deletion: true}, ""},
		{"a key of too many parts", journal.Conflict{Table: "ward", Key: "a\x1fb\x1fc", Column: "name", Value: text("x")}, "it is gone here"},
		{"a reference to nothing", journal.Conflict{Table: "bed", Key: "of the hub", Column: "ward_id", Value: text("never")}, "may not change that itself"},
		{"a row of the hub's own", journal.Conflict{Table: "bed", Key: "of the hub", Column: "note", Value: text("stolen")}, "may not change that itself"},
		{"its deletion", journal.Conflict{Table: "bed", Key: "of the hub", Deletion: true}, "may not change that itself"},
	} {
		id := told(t, n.hub, c.record)
		for _, e := range list(t, n.hub, conflicts.Filter{All: true, Earlier: false}).Conflicts {
			if strings.ContainsFunc(e.Row, func(r rune) bool { return !unicode.IsPrint(r) }) || len(e.Row) > 400 {
				t.Errorf("%s: the list calls the row %q", c.says, e.Row)
			}
		}
		v, err := conflicts.Show(t.Context(), n.hub.J.DB, n.hub.J, id, 0)
		if err != nil {
			t.Errorf("%s: show: %v", c.says, err)
			continue
		}
		if got := v.Columns[0].Value; got != nil && len(*got) > 64<<10 {
			t.Errorf("%s: %d bytes are shown", c.says, len(*got))
		}
		err = decide(n.hub, t, id, merge.TookLost, func(d *conflicts.Decision) { d.Anyway = true })
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s: %v", c.says, err)
		case c.refused != "":
			refused(t, err, c.refused)
			if err != nil && (len(err.Error()) > 2000 || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) })) {
				t.Errorf("%s: an error of %d bytes: %.200q", c.says, len(err.Error()), err)
			}
			refused(t, decide(n.hub, t, id, merge.TookLost, func(d *conflicts.Decision) { d.Column = "other" }), "is not about the column other")
			if err := decide(n.hub, t, id, merge.TookKept); err != nil {
				t.Errorf("%s: keep: %v", c.says, err)
			}
			if err := decide(n.hub, t, id, merge.Open); err != nil {
				t.Errorf("%s: take back: %v", c.says, err)
			}
			if err := decide(n.hub, t, id, merge.Dismissed); err != nil {
				t.Errorf("%s: dismiss: %v", c.says, err)
			}
		}
		if got := open(n.hub, t); len(got) != 0 {
			t.Fatalf("%s: %d are open", c.says, len(got))
		}
	}
	sites.Differ(t, "before", before, "after", n.hub.Dump())
	sites.ExchangeTwice(n.all()...)
	sites.Same(t, n.hub, n.kisumu)
}

// A row that is gone at every site, and kept nowhere: it is said, and what is left is to dismiss the conflict.
func TestDecideGone(t *testing.T) {
	n := newNetwork(t, "none")
	n.kisumu.Exec("UPDATE ward SET name = 'of kisumu' WHERE uuid = 'a'")
	n.hub.Exec("UPDATE ward SET name = 'of the hub' WHERE uuid = 'a'")
	n.same()
	n.hub.Exec("DELETE FROM ward WHERE uuid = 'a'")
	n.same()
	for _, s := range n.all() {
		s.Exec("DELETE FROM omsync_deleted")
		refused(t, decide(s, t, open(s, t)[0].ID(), merge.TookLost), "it is gone here, and not kept whole")
	}
	id := only(n.kisumu, t)
	mustDecide(n.kisumu, t, id, merge.Dismissed)
	n.same()
	nothingOpen(t, n.all()...)
	refused(t, decide(n.hub, t, only0(n.hub, t), merge.TookLost), "is settled already: it was dismissed at kisumu")
}

// only0 returns the number of the first of all conflicts of a site.
func only0(s *sites.Site, t *testing.T) uint64 {
	t.Helper()
	all := list(t, s, conflicts.Filter{All: true}).Conflicts
	return all[len(all)-1].ID()
}

// What somebody has changed since is not overwritten, neither by a decision nor by one that is taken back, unless it is said so.
func TestDecideChangedSince(t *testing.T) {
	n := newNetwork(t, bookkeeping)
	n.differ()
	n.migori.Exec("UPDATE ward SET name = 'later' WHERE uuid = 'a'")
	n.same()
	id := only(n.hub, t)
	refused(t, decide(n.hub, t, id, merge.TookLost), "its name was changed again since (migori, ")
	if got := n.hub.One(wardA); got != "later 3 h" {
		t.Errorf("a decision that was refused changed something: %s", got)
	}
	mustDecide(n.hub, t, id, merge.TookLost, func(d *conflicts.Decision) { d.Anyway = true })
	n.same()
	if got := n.kisumu.One(wardA); got != "of kisumu 2 k" {
		t.Errorf("kisumu: %s", got)
	}
	n.kisumu.Exec("UPDATE ward SET size = 9 WHERE uuid = 'a'")
	n.same()
	refused(t, decide(n.hub, t, id, merge.Open), "its size was changed again since the decision (kisumu, ")
	mustDecide(n.hub, t, id, merge.Open, func(d *conflicts.Decision) { d.Column = "name" })
	n.same()
	if got := n.migori.One(wardA); got != "later 9 k" {
		t.Errorf("migori: %s", got)
	}
	if _, err := conflicts.Show(t.Context(), n.hub.J.DB, n.hub.J, 1<<60, 0); !errors.Is(err, journal.ErrNoConflict) {
		t.Errorf("a number that is not there: %v", err)
	}
}
