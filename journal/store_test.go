package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// newNode returns the database of the node hub, which numbers the authors hub, kisumu and siaya 1 to 3.
func newNode(t *testing.T) (*sql.DB, *Authors) {
	t.Helper()
	_, dsn := dbtest.Server(t).Database(t)
	db := open(t, dsn)
	if err := Create(t.Context(), db, Node{Name: "hub", Profile: "none", History: 1<<64 - 1}); err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, db, "INSERT INTO omsync_node (id, name) VALUES (2, 'kisumu'), (3, 'siaya')")
	a, err := LoadAuthors(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return db, a
}

// must ends the test on an error and returns what came with none.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func stamped(time int64, author string, epoch uint64, from merge.Peer) merge.Version {
	return merge.Version{Stamp: merge.Stamp{Time: time, Author: author}, Epoch: epoch, From: from}
}

func TestNode(t *testing.T) {
	db, _ := newNode(t)
	n := must(LoadNode(t.Context(), db))(t)
	same(t, "the node", *n, Node{Name: "hub", Profile: "none", History: 1<<64 - 1})
	n.History, n.Earlier = 7, []uint64{1<<64 - 1, 5}
	check(t, SaveHistory(t.Context(), db, n))
	same(t, "the node", must(LoadNode(t.Context(), db))(t), n)
	check(t, Drop(t.Context(), db))
	if _, err := LoadNode(t.Context(), db); !errors.Is(err, ErrNone) {
		t.Errorf("after Drop: %v", err)
	}
	if _, err := NodeName(t.Context(), db); !errors.Is(err, ErrNone) {
		t.Errorf("the name after Drop: %v", err)
	}
}

func TestEpochs(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	same(t, "the last of none", must(LastEpoch(ctx, db))(t), merge.Position{})
	first := must(NextEpoch(ctx, db, false, time.Now()))(t)
	again := must(NextEpoch(ctx, db, true, time.Now()))(t)
	if again.Epoch <= first.Epoch || again.Token == first.Token || first.Token == 0 {
		t.Errorf("%v after %v", again, first)
	}
	same(t, "the last", must(LastEpoch(ctx, db))(t), again)
	same(t, "those that send again", must(ResendEpochs(ctx, db, 0))(t), []uint64{again.Epoch})
	same(t, "those that send again after it", must(ResendEpochs(ctx, db, again.Epoch))(t), nil)
	var bad error
	_, h, err := LoadHistory(ctx, db, &bad)
	check(t, err)
	for p, want := range map[merge.Position]bool{first: true, again: true, {Epoch: first.Epoch, Token: again.Token}: false, {Epoch: 99, Token: 1}: false} {
		if h.Has(p) != want {
			t.Errorf("the history has %v: %t", p, !want)
		}
	}
	check(t, DropEpoch(ctx, db, again.Epoch))
	same(t, "the last", must(LastEpoch(ctx, db))(t), first)
	check(t, bad)
	dbtest.Exec(t, db, "DROP TABLE omsync_epoch")
	if h.Has(first); bad == nil {
		t.Error("an error was not remembered")
	}
}

func TestAuthors(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	check(t, a.Add(ctx, db, []string{"kisumu", "busia", "hub"}))
	if a.ID("busia") <= 3 || a.Name(a.ID("busia")) != "busia" || a.ID("kisumu") != 2 {
		t.Errorf("%+v", a)
	}
	if a.ID("nobody") != 0 || a.Name(999) != "" {
		t.Error("unknown ones have numbers or names")
	}
	b := must(LoadAuthors(ctx, db))(t)
	same(t, "read again", b, a)
}

// Of two that want the gate alone, one waits; those who share it do not.
func TestGate(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	var c [3]*sql.Conn
	for i := range c {
		c[i] = must(db.Conn(ctx))(t)
		defer c[i].Close()
	}
	check(t, Gate(ctx, c[0], true, time.Second))
	check(t, Gate(ctx, c[1], true, time.Second))
	if err := Gate(ctx, c[2], false, 0); !errors.Is(err, ErrBusy) {
		t.Errorf("alone beside others: %v", err)
	}
	dbtest.Exec(t, c[0], "COMMIT")
	dbtest.Exec(t, c[1], "COMMIT")
	check(t, Gate(ctx, c[2], false, time.Second))
	if err := Gate(ctx, c[0], true, 0); !errors.Is(err, ErrBusy) {
		t.Errorf("beside one that has it alone: %v", err)
	}
	dbtest.Exec(t, c[2], "ROLLBACK")
	check(t, Gate(ctx, c[0], true, time.Second))
	dbtest.Exec(t, c[0], "ROLLBACK")
}

func TestVersions(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	tag := Row{Key: "a\x00b"}
	entries := []Entry{
		{Row{Int: 1}, []merge.Group{{Mask: 1, Version: stamped(10, "hub", 3, 0)}, {Mask: 6, Version: stamped(11, "kisumu", 4, 2)}}},
		{Row{Int: -2}, []merge.Group{{Mask: ^merge.Mask(0), Version: stamped(0, "siaya", 5, 0)}}},
		{Row{Int: 9}, []merge.Group{{Mask: 1, Version: stamped(12, "hub", 5, 7)}}},
	}
	check(t, PutVersions(ctx, db, 5, nil, entries, a))
	check(t, PutVersions(ctx, db, 6, nil, []Entry{{tag, entries[0].Groups}}, a))
	same(t, "of some rows", must(Versions(ctx, db, 5, []Row{{Int: 1}, {Int: -2}, {Int: 3}}, a))(t),
		map[Row][]merge.Group{{Int: 1}: entries[0].Groups, {Int: -2}: entries[1].Groups})
	same(t, "of a row by its key", must(Versions(ctx, db, 6, []Row{tag, {Key: "a"}}, a))(t), map[Row][]merge.Group{tag: entries[0].Groups})
	same(t, "between", must(VersionsBetween(ctx, db, 5, -2, 1, a))(t), map[Row][]merge.Group{{Int: 1}: entries[0].Groups, {Int: -2}: entries[1].Groups})
	same(t, "of all", must(AllVersions(ctx, db, 6, a))(t), map[Row][]merge.Group{tag: entries[0].Groups})
	same(t, "newer for 2", must(Newer(ctx, db, 5, 3, 2))(t), []Row{{Int: -2}, {Int: 9}})
	same(t, "newer for 7", must(Newer(ctx, db, 5, 3, 7))(t), []Row{{Int: -2}, {Int: 1}})
	same(t, "newer than all", must(Newer(ctx, db, 5, 5, 1))(t), nil)

	dbtest.Exec(t, db, "INSERT INTO omsync_table (id, name, columns) VALUES (5, 'ward', '{\"version\":1}'), (6, 'tag', '{\"version\":1}'), (7, 'bed', '{\"version\":1}')")
	check(t, PutTombstones(ctx, db, 7, []Tombstone{{"b", stamped(1, "hub", 9, 2)}}, a))
	live, dead, err := NewerTables(ctx, db, 4, 1)
	check(t, err)
	same(t, "tables with newer rows", live, map[uint16]bool{5: true})
	same(t, "tables with newer deletions", dead, map[uint16]bool{7: true})
	if _, dead, _ = NewerTables(ctx, db, 4, 2); len(dead) > 0 {
		t.Error("a deletion is new to the one that it came from")
	}

	later := []Entry{{Row{Int: 1}, []merge.Group{{Mask: 7, Version: stamped(20, "hub", 8, 0)}}}, {Row{Int: 9}, nil}}
	check(t, PutVersions(ctx, db, 5, []Row{{Int: 1}, {Int: 9}}, later, a))
	same(t, "of all, replaced", must(AllVersions(ctx, db, 5, a))(t), map[Row][]merge.Group{{Int: 1}: later[0].Groups, {Int: -2}: entries[1].Groups})
	if err := PutVersions(ctx, db, 5, nil, []Entry{{Row{Int: 8}, []merge.Group{{Mask: 1, Version: stamped(1, "nobody", 1, 0)}}}}, a); err == nil {
		t.Error("an author without a number passed")
	}
}

func TestTombstones(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	long, other := strings.Repeat("k", 701), strings.Repeat("k", 700)+"l"
	if must(AnyTombstones(ctx, db, 5))(t) {
		t.Error("there are deletions in nothing")
	}
	dead := []Tombstone{{"w-1", stamped(10, "hub", 3, 0)}, {long, stamped(11, "kisumu", 4, 2)}, {other, stamped(12, "kisumu", 5, 2)}}
	check(t, PutTombstones(ctx, db, 5, dead, a))
	check(t, PutRefusedDeletions(ctx, db, 5, []Tombstone{{"w-2", stamped(13, "siaya", 6, 3)}}, a))
	same(t, "of keys", must(Tombstones(ctx, db, 5, []string{"w-1", long, "w-2", "w-3"}, a))(t), map[string]merge.Version{"w-1": dead[0].Version, long: dead[1].Version})
	got := must(NewerTombstones(ctx, db, 5, 3, 0xffff, a))(t)
	slices.SortFunc(got, func(a, b Tombstone) int { return strings.Compare(a.Key, b.Key) })
	same(t, "newer", got, dead[1:])
	same(t, "newer for its sender", must(NewerTombstones(ctx, db, 5, 0, 2, a))(t), dead[:1])
	same(t, "refused", must(RefusedDeletions(ctx, db, 5, 5))(t), []string{"w-2"})
	same(t, "refused since", must(RefusedDeletions(ctx, db, 5, 6))(t), nil)
	check(t, PutTombstones(ctx, db, 5, []Tombstone{{"w-1", stamped(20, "siaya", 7, 3)}, {"w-2", stamped(21, "siaya", 7, 3)}}, a))
	same(t, "replaced", must(Tombstones(ctx, db, 5, []string{"w-1", "w-2"}, a))(t), map[string]merge.Version{"w-1": stamped(20, "siaya", 7, 3), "w-2": stamped(21, "siaya", 7, 3)})
	check(t, DropTombstones(ctx, db, 5, []string{"w-1", "w-2", long}))
	same(t, "left", must(NewerTombstones(ctx, db, 5, 0, 0xffff, a))(t), dead[2:])
	if !must(AnyTombstones(ctx, db, 5))(t) || must(AnyTombstones(ctx, db, 6))(t) {
		t.Error("which table has deletions?")
	}
}

func TestConflicts(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	text := "lost\x00"
	var cs []Conflict
	for i := range conflictPage + 3 {
		cs = append(cs, Conflict{Table: "ward", Key: fmt.Sprintf("w-%d", i), Column: "name", Value: &text, Loser: merge.Stamp{Time: 1, Author: "hub"},
			Winner: merge.Stamp{Time: 2, Author: "kisumu"}, At: 5, Epoch: uint64(3 + i), From: merge.Peer(i % 2)})
	}
	cs[1].Value = nil
	cs[2].Column, cs[2].Value, cs[2].Deletion = "", nil, true
	if n := must(PutConflicts(ctx, db, cs))(t); n != len(cs) {
		t.Errorf("%d were new", n)
	}
	twice := cs[0]
	twice.Epoch, twice.At, twice.From = 99, 99, 1
	another := cs[0]
	another.Value = nil
	if n := must(PutConflicts(ctx, db, []Conflict{twice, another}))(t); n != 1 {
		t.Errorf("%d of one known and one new were new", n)
	}
	if n := must(CountConflicts(ctx, db))(t); n != int64(len(cs)+1) {
		t.Errorf("%d are counted", n)
	}
	read := func(base uint64, peer merge.Peer) (out []Conflict) {
		check(t, NewerConflicts(ctx, db, base, peer, func(c Conflict) error {
			out = append(out, c)
			_, err := CountConflicts(ctx, db) // the connection is free
			return err
		}))
		return out
	}
	same(t, "all", read(0, 9), append(slices.Clone(cs), another))
	same(t, "newer, from others", read(5, 1)[0], cs[4])
	errStop := errors.New("stop")
	if err := NewerConflicts(ctx, db, 0, 9, func(Conflict) error { return errStop }); !errors.Is(err, errStop) {
		t.Errorf("%v", err)
	}
}

func TestPeers(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	p := &Peer{Name: "kisumu", Role: "child", Card: []byte("card"), Link: merge.Link{Number: 8}}
	check(t, AddPeer(ctx, db, p))
	same(t, "added", must(PeerByName(ctx, db, "kisumu", false))(t), p)
	p.Link = merge.Link{Number: 8, PeerNumber: 9, Retired: map[uint64]bool{4: true}, Acked: merge.Position{Epoch: 5, Token: 6}, ExportEnds: []merge.Position{{Epoch: 7, Token: 1 << 63}}}
	p.Requested, p.Answered = map[string]uint64{"ward": 6, "bed": 5}, map[string]uint64{"users": 2}
	p.SentAt, p.AppliedAt = time.UnixMicro(1779494400000001), time.UnixMicro(3)
	check(t, SavePeer(ctx, db, p))
	same(t, "saved", must(Peers(ctx, db))(t), []*Peer{p})
	same(t, "requests", p.ResendRequests(), []string{"ward#6"})
	check(t, RequestResend(ctx, db, []string{"bed"}, 10))
	got := must(PeerByName(ctx, db, "kisumu", true))(t)
	same(t, "requested", got.Requested, map[string]uint64{"ward": 6, "bed": 10})
	p.State = "removed"
	check(t, SavePeer(ctx, db, p))
	if got := must(PeerByName(ctx, db, "kisumu", false))(t); got != nil {
		t.Errorf("a removed peer: %+v", got)
	}
	next := &Peer{Name: "kisumu", Role: "child", Card: []byte("card"), Link: merge.Link{Number: 9}}
	check(t, AddPeer(ctx, db, next))
	if next.ID == p.ID {
		t.Error("a number was used again")
	}
	dbtest.Exec(t, db, "UPDATE omsync_peer SET link = '{\"version\":9}'")
	if _, err := Peers(ctx, db); err == nil || !strings.Contains(err.Error(), "install the newer omsync") {
		t.Errorf("a link of a later version: %v", err)
	}
}

func TestImports(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	p := &Peer{ID: 2, Name: "kisumu"}
	end := func(epoch, own uint64) merge.AppliedBatch {
		return merge.AppliedBatch{Position: merge.Position{Epoch: epoch, Token: epoch * 10}, OwnEpoch: own}
	}
	p.Link.Imports = []merge.AppliedBatch{end(1, 4), end(2, 5), end(3, 6)}
	check(t, SaveImports(ctx, db, p, nil))
	check(t, SaveImports(ctx, db, &Peer{ID: 3, Link: merge.Link{Imports: []merge.AppliedBatch{end(9, 7)}}}, nil))
	had := slices.Clone(p.Link.Imports)
	p.Link.Imports = []merge.AppliedBatch{end(1, 4), end(3, 6), end(4, 8)}
	check(t, SaveImports(ctx, db, p, had))
	got := &Peer{ID: 2}
	check(t, LoadImports(ctx, db, got))
	same(t, "imports", got.Link.Imports, p.Link.Imports)
}

// What came from a restored peer counts as made here; what came before, or from others, stays.
func TestRejoin(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	group := func(epoch uint64, from merge.Peer) []merge.Group {
		return []merge.Group{{Mask: 1, Version: stamped(1, "hub", epoch, from)}}
	}
	check(t, PutVersions(ctx, db, 5, nil, []Entry{{Row{Int: 1}, group(3, 2)}, {Row{Int: 2}, group(5, 2)}, {Row{Int: 3}, group(5, 3)}}, a))
	check(t, PutTombstones(ctx, db, 5, []Tombstone{{"a", stamped(1, "hub", 5, 2)}}, a))
	if _, err := PutConflicts(ctx, db, []Conflict{{Table: "ward", Epoch: 5, From: 2}}); err != nil {
		t.Fatal(err)
	}
	tables := map[string]*Table{}
	for i, name := range []string{"ward", "bed"} {
		tables[name] = &Table{Name: name, Fresh: true}
		check(t, SaveColumns(ctx, db, tables[name]))
		tables[name].Default = group(uint64(4+i), 2)[0]
		check(t, SaveDefault(ctx, db, tables[name], a))
	}
	check(t, Rejoin(ctx, db, 2, 4, 9))
	same(t, "versions", must(AllVersions(ctx, db, 5, a))(t), map[Row][]merge.Group{{Int: 1}: group(3, 2), {Int: 2}: group(9, 0), {Int: 3}: group(5, 3)})
	same(t, "deletions", must(Tombstones(ctx, db, 5, []string{"a"}, a))(t), map[string]merge.Version{"a": stamped(1, "hub", 9, 0)})
	check(t, NewerConflicts(ctx, db, 0, 99, func(c Conflict) error {
		same(t, "conflict", []uint64{c.Epoch, uint64(c.From)}, []uint64{9, 0})
		return nil
	}))
	now := must(LoadTables(ctx, db, a))(t)
	same(t, "a default from before", now["ward"].Default, group(4, 2)[0])
	same(t, "a default", now["bed"].Default, group(9, 0)[0])
}

func TestTables(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	w := &Table{Name: "ward", Fresh: true}
	if !w.Assign("name", "varchar(50)") || w.Assign("name", "varchar(60)") {
		t.Error("which column is new?")
	}
	check(t, SaveColumns(ctx, db, w))
	w.Fresh = false
	w.Assign("note", "text")
	w.Flow = Flow{"down", []string{"note"}, []string{"secret"}}
	w.Default = merge.Group{Mask: ^merge.Mask(0), Version: stamped(7, "siaya", 8, 9)}
	check(t, SaveTable(ctx, db, w))
	check(t, SaveDefault(ctx, db, w, a))
	same(t, "the table", must(LoadTables(ctx, db, a))(t), map[string]*Table{"ward": w})
	if !w.Grown() || w.Bit("name") != 2 || w.Bit("note") != 4 || w.Bit("other") != 0 {
		t.Errorf("%+v", w)
	}
	w.Default = merge.Group{}
	check(t, SaveDefault(ctx, db, w, a))
	same(t, "without a default", must(LoadTables(ctx, db, a))(t)["ward"].Default, merge.Group{})
	for i := range 70 {
		w.Assign(fmt.Sprint("c", i), "int")
	}
	if w.Bit("c59") != 1<<62 || w.Bit("c60") != 1<<63 || w.Bit("c69") != 1<<63 {
		t.Errorf("the last columns have the bits %x %x %x", w.Bit("c59"), w.Bit("c60"), w.Bit("c69"))
	}
}

func TestResend(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	w := &Table{Name: "ward", Fresh: true}
	check(t, SaveColumns(ctx, db, w))
	w.Default = merge.Group{Mask: 1, Version: stamped(7, "siaya", 2, 3)}
	g := []merge.Group{{Mask: 1, Version: stamped(1, "hub", 3, 2)}}
	check(t, PutVersions(ctx, db, w.ID, nil, []Entry{{Row{Int: 1}, g}}, a))
	check(t, PutVersions(ctx, db, w.ID+1, nil, []Entry{{Row{Int: 1}, g}}, a))
	check(t, PutTombstones(ctx, db, w.ID, []Tombstone{{"a", stamped(1, "hub", 3, 2)}}, a))
	check(t, Resend(ctx, db, w, 9, a))
	same(t, "versions", must(AllVersions(ctx, db, w.ID, a))(t), map[Row][]merge.Group{{Int: 1}: {{Mask: 1, Version: stamped(1, "hub", 9, 2)}}})
	same(t, "of another table", must(AllVersions(ctx, db, w.ID+1, a))(t), map[Row][]merge.Group{{Int: 1}: g})
	same(t, "deletions", must(Tombstones(ctx, db, w.ID, []string{"a"}, a))(t), map[string]merge.Version{"a": stamped(1, "hub", 9, 2)})
	same(t, "the default", must(LoadTables(ctx, db, a))(t)["ward"].Default, merge.Group{Mask: 1, Version: stamped(7, "siaya", 9, 3)})
}

func TestChanges(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	dbtest.Exec(t, db, "INSERT INTO omsync_capture VALUES (3, 5, 1, -7, NULL, NULL, 0, '1970-01-01 00:00:00.000009'), (4, 6, 3, NULL, 'k', 'u', 0, '1970-01-01 00:00:01'), (9, 5, 2, 8, NULL, NULL, 18446744073709551614, '1970-01-01 00:00:02')")
	u := "u"
	want := []Change{
		{ID: 3, Table: 5, Op: OpInsert, Row: Row{Int: -7}, At: 9},
		{ID: 4, Table: 6, Op: OpDelete, Row: Row{Key: "k"}, UUID: &u, At: 1_000_000},
		{ID: 9, Table: 5, Op: OpUpdate, Row: Row{Int: 8}, Mask: ^merge.Mask(1), At: 2_000_000},
	}
	same(t, "all", must(Changes(ctx, db, 10))(t), want)
	same(t, "the first", must(Changes(ctx, db, 2))(t), want[:2])
	same(t, "of a table", must(TableChanges(ctx, db, 5))(t), []Change{want[0], want[2]})
	check(t, DropChanges(ctx, db, []uint64{3, 9}))
	if n := must(CountChanges(ctx, db))(t); n != 1 {
		t.Errorf("%d are left", n)
	}
	if err := DropChanges(ctx, db, []uint64{3, 4}); err == nil {
		t.Error("a change that is not there was dropped")
	}
}

// Every table that Create makes is in doc.go, with every column, and Drop knows it.
func TestDocumentation(t *testing.T) {
	db, _ := newNode(t)
	doc := documented(t)
	columns := map[string][]string{}
	check(t, sqldb.Each(t.Context(), db, "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1, ordinal_position", func(r []sql.RawBytes) error {
		columns[string(r[0])] = append(columns[string(r[0])], string(r[1]))
		return nil
	}))
	same(t, "tables in doc.go", slices.Sorted(maps.Keys(doc)), slices.Sorted(maps.Keys(columns)))
	for table, names := range columns {
		for _, c := range names {
			if !slices.Contains(doc[table], c) {
				t.Errorf("%s.%s is not in doc.go", table, c)
			}
		}
		for _, c := range doc[table] {
			if !slices.Contains(names, c) {
				t.Errorf("doc.go has %s.%s, and the table has not", table, c)
			}
		}
	}
}
