package rules

import (
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
)

var (
	lost  = merge.Stamp{Time: 10, Author: "kisumu"}
	kept  = merge.Stamp{Time: 20, Author: "hub"}
	later = merge.Stamp{Time: 30, Author: "migori"}
)

// record is a record of a ward's column, number id.
func record(id uint64, column string, change ...func(*Record)) Record {
	r := Record{ID: id, Table: "ward", Key: "a", Column: column, Loser: lost, Winner: kept, Came: 100}
	for _, f := range change {
		f(&r)
	}
	return r
}

func bookkeeping(r *Record) { r.Bookkeeping = true }

func how(h merge.How) func(*Record) { return func(r *Record) { r.Resolution.How = h } }

func columns(rs []Record) (out []string) {
	for _, r := range rs {
		out = append(out, r.Column)
	}
	return out
}

// What one change lost in one row is one conflict, bookkeeping last.
func TestGroup(t *testing.T) {
	all := Group([]Record{
		record(9, "changed_by", bookkeeping),
		record(8, "size"),
		record(7, "size", func(r *Record) { r.Loser = later }),
		record(6, "size", func(r *Record) { r.Key = "b" }),
		record(5, "size", func(r *Record) { r.Table = "bed" }),
		record(4, "name"),
		record(3, "name"), // a second value with the same stamp
	})
	if len(all) != 5 {
		t.Fatalf("%d conflicts, not 5", len(all))
	}
	if got := columns(all[0].Records); !slices.Equal(got, []string{"name", "size", "changed_by"}) || all[0].ID() != 4 {
		t.Errorf("conflict %d: %v", all[0].ID(), got)
	}
	if got := columns(all[0].Folded()); !slices.Equal(got, []string{"changed_by"}) {
		t.Errorf("folded: %v", got)
	}
	if got := columns(all[4].Records); !slices.Equal(got, []string{"name"}) || all[4].ID() != 3 {
		t.Errorf("the second value: conflict %d: %v", all[4].ID(), got)
	}
	only := Group([]Record{record(1, "changed_by", bookkeeping)})[0]
	if len(only.Folded()) != 0 {
		t.Error("bookkeeping alone is folded under nothing")
	}
}

func TestState(t *testing.T) {
	settled, open := how(merge.TookLost), how(merge.Open)
	earlier := func(r *Record) { r.Loser.Time = 0 }
	for _, c := range []struct {
		says    string
		records []Record
		kind    Kind
		state   string
	}{
		{"nobody has decided", []Record{record(1, "name")}, Matters, "open"},
		{"a decision was taken back", []Record{record(1, "name", open)}, Matters, "open"},
		{"one column is left", []Record{record(1, "name", settled), record(2, "size")}, Matters, "open"},
		{"bookkeeping is left", []Record{record(1, "name", settled), record(2, "changed_by", bookkeeping)}, Matters, "settled"},
		{"dismissed", []Record{record(1, "name", how(merge.Dismissed))}, Matters, "settled"},
		{"old", []Record{record(1, "name", func(r *Record) { r.Came = 99 })}, Matters, "old"},
		{"one record came later", []Record{record(1, "name", func(r *Record) { r.Came = 99 }), record(2, "size")}, Matters, "open"},
		{"only who and when", []Record{record(1, "changed_by", bookkeeping)}, OnlyBookkeeping, "bookkeeping"},
		{"from before", []Record{record(1, "name", earlier)}, Earlier, "earlier"},
		{"from before, and settled", []Record{record(1, "name", earlier, settled)}, Earlier, "settled"},
		{"what a decision replaced", []Record{record(1, "name", how(merge.Replaced))}, Replacement, "settled"},
		{"what a decision replaced, opened", []Record{record(1, "name", how(merge.Replaced)), record(2, "size")}, Matters, "open"},
	} {
		got := Group(c.records)[0]
		if got.Kind() != c.kind || got.State(100) != c.state || got.Open(100) != (c.state == "open") {
			t.Errorf("%s: kind %d, %s", c.says, got.Kind(), got.State(100))
		}
	}
}

func TestChoose(t *testing.T) {
	settled := how(merge.TookKept)
	name, size, by := record(1, "name"), record(2, "size"), record(3, "changed_by", bookkeeping)
	done := func(r Record) Record { settled(&r); return r }
	for _, c := range []struct {
		says    string
		records []Record
		column  string
		decided bool
		want    []string
	}{
		{"all", []Record{name, size, by}, "", false, []string{"name", "size", "changed_by"}},
		{"one of two: bookkeeping waits", []Record{name, size, by}, "name", false, []string{"name"}},
		{"the last: bookkeeping goes with it", []Record{done(name), size, by}, "size", false, []string{"size", "changed_by"}},
		{"what is left", []Record{done(name), size, by}, "", false, []string{"size", "changed_by"}},
		{"bookkeeping by its name", []Record{name, size, by}, "changed_by", false, []string{"changed_by"}},
		{"all decided", []Record{done(name), done(by)}, "", false, nil},
		{"bookkeeping is not decided alone", []Record{done(name), by}, "", false, nil},
		{"taken back", []Record{done(name), size, done(by)}, "", true, []string{"name", "changed_by"}},
		{"taken back, one of two", []Record{done(name), done(size), done(by)}, "name", true, []string{"name"}},
		{"nothing to take back", []Record{name}, "", true, nil},
		{"another column", []Record{name}, "size", false, nil},
	} {
		if got := columns(Group(c.records)[0].Choose(c.column, c.decided)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, not %v", c.says, got, c.want)
		}
	}
}

func TestDecideRules(t *testing.T) {
	here := State{Alive: true, Column: true, Stamp: kept}
	with := func(f func(*State)) State { s := here; f(&s); return s }
	deletion := record(1, "", func(r *Record) { r.Deletion = true })
	for _, c := range []struct {
		says   string
		r      Record
		how    merge.How
		s      State
		action Action
		why    Reason
	}{
		{"what lost is put back", record(1, "name"), merge.TookLost, here, Set, NoReason},
		{"what was kept is confirmed", record(1, "name"), merge.TookKept, here, Confirm, NoReason},
		{"it is what lost already", record(1, "name"), merge.TookLost, with(func(s *State) { s.Equal, s.Stamp = true, later }), Confirm, NoReason},
		{"somebody has changed it since", record(1, "name"), merge.TookLost, with(func(s *State) { s.Stamp = later }), Refuse, Changed},
		{"and whoever decides knows it", record(1, "name"), merge.TookLost, with(func(s *State) { s.Stamp, s.AnyValue = later, true }), Set, NoReason},
		{"the column is gone", record(1, "name"), merge.TookLost, with(func(s *State) { s.Column = false }), Refuse, NotThere},
		{"the column is gone, and what was kept is right", record(1, "name"), merge.TookKept, with(func(s *State) { s.Column = false }), Nothing, NoReason},
		{"the row is gone, and nobody has it", record(1, "name"), merge.TookLost, State{}, Refuse, Gone},
		{"the row is gone, and kept", record(1, "name"), merge.TookLost, State{Kept: true}, BringBack, NoReason},
		{"the whole row, which is kept", record(1, ""), merge.TookLost, State{Kept: true}, BringBack, NoReason},
		{"the whole row is back", record(1, ""), merge.TookLost, here, Nothing, NoReason},
		{"the row is gone, and that is right", record(1, "name"), merge.TookKept, State{Kept: true}, Nothing, NoReason},
		{"the deletion is taken", deletion, merge.TookLost, here, Delete, NoReason},
		{"the row is deleted already", deletion, merge.TookLost, State{}, Nothing, NoReason},
		{"the row is to stay", deletion, merge.TookKept, here, Nothing, NoReason},
	} {
		if action, why := Decide(c.r, c.how, c.s); action != c.action || why != c.why {
			t.Errorf("%s: action %d, reason %d", c.says, action, why)
		}
	}
}

// The value that was kept has its own stamp, or where the policy or the parent kept it, one just above what lost.
func TestIsKept(t *testing.T) {
	for _, c := range []struct {
		loser, winner, now int64
		want               bool
	}{
		{10, 20, 20, true}, {10, 20, 21, false}, {10, 20, 11, false},
		{20, 10, 10, true}, {20, 10, 21, true}, {20, 10, 22, false},
		{0, 0, 0, true}, {0, 0, 1, true}, {0, 0, 2, false},
	} {
		r := Record{Loser: merge.Stamp{Time: c.loser, Author: "hub"}, Winner: merge.Stamp{Time: c.winner, Author: "kisumu"}}
		for _, now := range []merge.Stamp{{Time: c.now, Author: "kisumu"}, {Time: c.now, Author: "migori"}} {
			want := c.want && (now.Author == "kisumu" || c.now != c.winner)
			if r.IsKept(now) != want {
				t.Errorf("%+v, %+v now: not %t", r, now, want)
			}
		}
	}
}

func TestReverseRules(t *testing.T) {
	equal := State{Alive: true, Column: true, Equal: true}
	for _, c := range []struct {
		says   string
		how    merge.How
		column string
		s      State
		known  bool
		action Action
		why    Reason
	}{
		{"what was replaced is put back", merge.TookLost, "name", equal, true, Set, NoReason},
		{"nothing was replaced", merge.TookLost, "name", equal, false, Nothing, NoReason},
		{"nothing was set", merge.TookKept, "name", equal, true, Nothing, NoReason},
		{"the row is gone", merge.TookLost, "name", State{}, true, Nothing, NoReason},
		{"of the row itself nothing was set", merge.TookLost, "", equal, true, Nothing, NoReason},
		{"the column is gone", merge.TookLost, "name", State{Alive: true}, true, Refuse, NotThere},
		{"somebody has changed it since", merge.TookLost, "name", State{Alive: true, Column: true}, true, Refuse, Changed},
	} {
		if action, why := Reverse(record(1, c.column, how(c.how)), c.s, c.known); action != c.action || why != c.why {
			t.Errorf("%s: action %d, reason %d", c.says, action, why)
		}
	}
	one := merge.Group{Mask: merge.Bit(0), Version: merge.Version{Stamp: later}}
	two := merge.Group{Mask: merge.Bit(1), Version: merge.Version{Stamp: kept}}
	for _, c := range []struct {
		row  merge.Row
		want bool
	}{
		{merge.Row{Alive: true, Groups: []merge.Group{one}}, true},
		{merge.Row{Groups: []merge.Group{one}}, false},
		{merge.Row{Alive: true, Groups: []merge.Group{two}}, false},
		{merge.Row{Alive: true, Groups: []merge.Group{one, two}}, false},
	} {
		if Untouched(c.row, merge.Stamp{Author: later.Author}) != c.want {
			t.Errorf("%+v: not %t", c.row, c.want)
		}
	}
}
