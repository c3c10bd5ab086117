package scopes_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/owners"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// counted counts statements.
type counted struct {
	sqldb.DB
	n int
}

func (c *counted) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	c.n++
	return c.DB.QueryContext(ctx, query, args...)
}

func (c *counted) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	c.n++
	return c.DB.ExecContext(ctx, query, args...)
}

// newNode makes a node with patients of OpenMRS, and its peers: 1 and 2 are children, 3 is its parent.
func newNode(t *testing.T, patients int) (*sql.DB, *journal.Journal) {
	t.Helper()
	server := dbtest.Server(t)
	name, dsn := server.Database(t, openmrs.Schema("2.6")...)
	db, _, err := sqldb.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if patients > 0 {
		if _, err := openmrs.Load(t.Context(), server.Open(t, name), openmrs.Options{Seed: 7, Site: "kisumu", Patients: patients, Metadata: true, Traps: true}); err != nil {
			t.Fatal(err)
		}
	}
	p, err := schema.Builtin("openmrs")
	if err != nil {
		t.Fatal(err)
	}
	cat, err := schema.Read(t.Context(), db, name, p)
	if err != nil {
		t.Fatal(err)
	}
	j, err := capture.Init(t.Context(), db, cat, p, "hub", time.Now, func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, db, "INSERT INTO omsync_peer (id, name, role, card, link) VALUES (1, 'kisumu', 'child', '', '{}'), (2, 'siaya', 'child', '', '{}'), (3, 'nairobi', 'parent', '', '{}'), (4, 'gone', 'child', '', '{}')",
		"UPDATE omsync_peer SET state = 'removed' WHERE id = 4")
	return db, j
}

func begin(t interface{ Fatal(...any) }, j *journal.Journal, q sqldb.DB) *scopes.Store {
	epoch := uint64(0)
	s, err := scopes.Open(context.Background(), j, scopes.Options{Read: q, Write: q, Cause: scopes.Person, Person: "alice", Epoch: func() (uint64, error) { epoch += 7; return epoch, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// all returns all rows of a table that have a key.
func all(t *testing.T, db *sql.DB, x *schema.Table) (out []scopes.Known) {
	t.Helper()
	var rows []journal.Row
	err := sqldb.Each(t.Context(), db, "SELECT "+journal.Identity(x, "")+" FROM "+schema.Quote(x.Name), func(r []sql.RawBytes) error {
		rows = append(rows, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := rowkey.Of(t.Context(), db, x, rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if keys[r] != "" {
			out = append(out, scopes.Known{Key: journal.Canonical(x, keys[r]), Local: r, Alive: true})
		}
	}
	return out
}

// Whose a row is by the rules is whose package owners finds it to be, for every row of OpenMRS; a block of rows takes as many statements as a
// path has steps, however many the rows are; and a row that nobody fetched stands where it was said to stand.
func TestPlacesOfOpenMRS(t *testing.T) {
	db, j := newNode(t, 60)
	o, err := j.Catalogue.Owners()
	if err != nil {
		t.Fatal(err)
	}
	patients := map[int64]string{}
	for _, r := range all(t, db, o.Table) {
		patients[r.Local.Int] = r.Key
	}
	q := &counted{DB: db}
	s := begin(t, j, q)
	if q.n != 1 {
		t.Errorf("to open takes %d statements", q.n)
	}
	if !s.Idle() {
		t.Error("without scopes it is not idle")
	}
	s.SetChild(1, scope.Child{Since: 3})
	owned, nobodys, keyless := 0, 0, 0
	for _, x := range j.Replicated() {
		rows := all(t, db, x)
		if len(rows) == 0 {
			continue
		}
		q.n = 0
		s.Fetch(x, rows)
		if limit := 30 + 30*len(rows)/1000; q.n > limit {
			t.Errorf("%d rows of %s took %d statements", len(rows), x.Name, q.n)
		}
		q.n = 0
		local := make([]journal.Row, len(rows))
		for i, r := range rows {
			local[i] = r.Local
		}
		ends, err := owners.Of(t.Context(), db, o, x, local)
		if err != nil {
			t.Fatal(err)
		}
		node := s.Node()
		for _, r := range rows {
			row := scope.Row{Table: x.Name, Key: r.Key}
			var want []scope.Owner
			for _, id := range ends[r.Local].Owners {
				want = append(want, scope.Owner(patients[id]))
			}
			slices.Sort(want)
			if len(ends[r.Local].Others) > 0 { // somebody who is no patient
				want = nil
			}
			if x == o.Table {
				want = []scope.Owner{scope.Owner(r.Key)}
			}
			got := node.Owners(row)
			if len(got) == 0 && len(want) > 0 && slices.Equal(s.Place(row).To, []scope.Row{{}}) {
				keyless++ // what it refers to has no key: neither goes anywhere
				continue
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s %s: owners %v, want %v; ends %+v, place %+v", x.Name, r.Key, got, want, ends[r.Local], s.Place(row))
			}
			for _, o := range got {
				s.Entry(1, o)
			}
			if node.Sight(1, row).In() != (o.Of(x).Kind == schema.Everybodys) {
				t.Fatalf("%s %s is in the sight of a child whose scope is empty: %t", x.Name, r.Key, node.Sight(1, row).In())
			}
			if len(want) > 0 {
				owned++
			} else if o.Of(x).Kind == schema.Owned {
				nobodys++
			}
		}
		if q.n > 2 { // exceptions and public rows, once
			t.Errorf("%d statements after rows of %s were fetched", q.n, x.Name)
		}
		for _, r := range rows[:min(len(rows), 3)] {
			row := scope.Row{Table: x.Name, Key: r.Key}
			if got, want := begin(t, j, db).Place(row), s.Place(row); got.Kind != want.Kind || got.Alive != want.Alive || !slices.Equal(got.To, want.To) {
				t.Errorf("%s %s alone stands at %+v, in a block at %+v", x.Name, r.Key, got, want)
			}
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if owned < 1000 || nobodys == 0 || keyless > 20 {
		t.Errorf("%d rows have owners, %d have none, and %d refer to rows without a key", owned, nobodys, keyless)
	}
}

// What a transaction wrote it reads, and the next one reads it after Flush; what was not flushed is gone.
func TestStoreKeeps(t *testing.T) {
	db, j := newNode(t, 0)
	rapid.Check(t, func(t *rapid.T) {
		for _, table := range []string{"omsync_scope_peer", "omsync_scope", "omsync_scope_row", "omsync_public", "omsync_want", "omsync_held", "omsync_purge"} {
			if _, err := db.Exec("DELETE FROM " + table); err != nil {
				t.Fatal(err)
			}
		}
		m := newModel()
		saved := m.clone()
		s := begin(t, j, db)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			p := merge.Peer(rapid.IntRange(1, 2).Draw(t, "peer"))
			o := scope.Owner(fmt.Sprint("p-", rapid.IntRange(0, 3).Draw(t, "owner")))
			row := scope.Row{Table: "obs", Key: fmt.Sprint("o-", rapid.IntRange(0, 2).Draw(t, "row"))}
			n := uint64(rapid.IntRange(0, 3).Draw(t, "n"))
			switch rapid.IntRange(0, 10).Draw(t, "what") {
			case 0:
				m.children[p] = scope.Child{All: n%2 == 0, Since: n, Approve: n > 1}
				s.SetChild(p, m.children[p])
			case 1, 2:
				e := scope.Entry{Since: n, Told: uint64(rapid.IntRange(0, 2).Draw(t, "told")), Asked: n == 3, Rule: n == 2, Purge: n == 1}
				s.SetEntry(p, o, e)
				m.entries[p][o] = e
			case 3:
				s.SetException(p, row, scope.Sight(n))
				m.exceptions[p][row] = scope.Sight(n)
			case 4:
				s.SetPublic(row, scope.Sight(n+1))
				m.public[row] = scope.Sight(n + 1)
			case 5:
				s.SetWant(o, n > 0)
				m.want[o] = n > 0
			case 6:
				s.SetHeld(o, n)
				m.held[o] = n
			case 7:
				s.SetWhole(n > 1)
				m.whole = n > 1
			case 10:
				m.purges[o] = scope.Purge{Told: n, Done: n == 2}
				s.SetPurging(o, m.purges[o])
			case 8:
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
				saved = m.clone()
			case 9:
				s, m = begin(t, j, db), saved.clone()
			}
			m.compare(t, s)
		}
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
	})
}

// model is the tables as maps.
type model struct {
	children   map[merge.Peer]scope.Child
	entries    map[merge.Peer]map[scope.Owner]scope.Entry
	exceptions map[merge.Peer]map[scope.Row]scope.Sight
	public     map[scope.Row]scope.Sight
	want       map[scope.Owner]bool
	held       map[scope.Owner]uint64
	whole      bool
	purges     map[scope.Owner]scope.Purge
}

func newModel() *model {
	m := &model{map[merge.Peer]scope.Child{1: {All: true}, 2: {All: true}}, map[merge.Peer]map[scope.Owner]scope.Entry{1: {}, 2: {}},
		map[merge.Peer]map[scope.Row]scope.Sight{1: {}, 2: {}}, map[scope.Row]scope.Sight{}, map[scope.Owner]bool{}, map[scope.Owner]uint64{}, false, map[scope.Owner]scope.Purge{}}
	return m
}

func (m *model) clone() *model {
	c := &model{maps.Clone(m.children), map[merge.Peer]map[scope.Owner]scope.Entry{}, map[merge.Peer]map[scope.Row]scope.Sight{}, maps.Clone(m.public),
		maps.Clone(m.want), maps.Clone(m.held), m.whole, maps.Clone(m.purges)}
	for p := range m.entries {
		c.entries[p], c.exceptions[p] = maps.Clone(m.entries[p]), maps.Clone(m.exceptions[p])
	}
	return c
}

// keys returns the keys of what is not nothing, in order.
func keys[K comparable, V comparable](of map[K]V, less func(a, b K) int) (out []K) {
	var none V
	for k, v := range of {
		if v != none {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, less)
	return out
}

func (m *model) compare(t *rapid.T, s *scopes.Store) {
	byOwner := func(a, b scope.Owner) int { return slices.Compare([]byte(a), []byte(b)) }
	byRow := func(a, b scope.Row) int { return slices.Compare([]byte(a.Key), []byte(b.Key)) }
	var children []merge.Peer
	for p := merge.Peer(1); p <= 2; p++ {
		if c := m.children[p]; !c.All || c.Since != 0 {
			children = append(children, p)
		}
		if got := s.Child(p); got != m.children[p] {
			t.Fatalf("child %d is %+v, want %+v", p, got, m.children[p])
		}
		for i := range 4 {
			o := scope.Owner(fmt.Sprint("p-", i))
			if got := s.Entry(p, o); got != m.entries[p][o] {
				t.Fatalf("entry of %s is %+v, want %+v", o, got, m.entries[p][o])
			}
		}
		if got, want := s.Entries(p), keys(m.entries[p], byOwner); !slices.Equal(got, want) {
			t.Fatalf("entries of %d are %v, want %v", p, got, want)
		}
		var asking []scope.Owner
		for _, o := range keys(m.entries[p], byOwner) {
			if m.entries[p][o].Asked {
				asking = append(asking, o)
			}
			e := m.entries[p][o]
			if _, changed := s.Changed(p, 1)[o]; changed != (max(e.Since, e.Told) > 1) {
				t.Fatalf("changed: %s is %t", o, changed)
			}
		}
		if got := s.Asking(p); !slices.Equal(got, asking) {
			t.Fatalf("%d asks for %v, want %v", p, got, asking)
		}
		if got, want := s.Exceptions(p), keys(m.exceptions[p], byRow); !slices.Equal(got, want) {
			t.Fatalf("exceptions of %d are %v, want %v", p, got, want)
		}
		for row, since := range m.exceptions[p] {
			if got := s.Exception(p, row); got != since {
				t.Fatalf("exception of %v is %d, want %d", row, got, since)
			}
		}
	}
	if !slices.Equal(s.Children(), children) {
		t.Fatalf("children are %v, want %v", s.Children(), children)
	}
	for row, since := range m.public {
		if got := s.Public(row); got != since {
			t.Fatalf("public since %d, want %d", got, since)
		}
	}
	if got, want := s.PublicSince(0), keys(m.public, byRow); !slices.Equal(got, want) {
		t.Fatalf("public are %v, want %v", got, want)
	}
	if got, want := s.Wants(), keys(m.want, byOwner); !slices.Equal(got, want) {
		t.Fatalf("wants are %v, want %v", got, want)
	}
	if got, want := s.Holds(), keys(m.held, byOwner); !slices.Equal(got, want) {
		t.Fatalf("holds are %v, want %v", got, want)
	}
	for o, epoch := range m.held {
		if got := s.Held(o); got != epoch {
			t.Fatalf("%s is held since %d, want %d", o, got, epoch)
		}
	}
	if got, want := s.Purgings(), keys(m.purges, byOwner); !slices.Equal(got, want) {
		t.Fatalf("purges are %v, want %v", got, want)
	}
	for o, u := range m.purges {
		if got := s.Purging(o); got != u {
			t.Fatalf("purge of %s is %+v, want %+v", o, got, u)
		}
	}
	if s.Whole() != m.whole {
		t.Fatalf("whole is %t", s.Whole())
	}
}
