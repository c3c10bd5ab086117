package journal

import (
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// What a copy remembers becomes the clone's: made by whom it was, come from the node that it is a copy of. Who had the clone's name before is the
// clone. What is about other peers is forgotten.
func TestBecomeClone(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	self := must(LoadNode(ctx, db))(t)
	check(t, a.Add(ctx, db, []string{"kisumu", "migori"}))
	at := must(NextEpoch(ctx, db, false, time.Now()))(t)
	group := func(author string, from merge.Peer) []merge.Group {
		return []merge.Group{{Mask: merge.Bits(1), Version: stamped(1, author, at.Epoch, from)}}
	}
	ward := &Table{Name: "ward", Fresh: true}
	check(t, SaveColumns(ctx, db, ward))
	ward.Default = group(self.Name, 0)[0]
	check(t, SaveDefault(ctx, db, ward, a))
	check(t, PutVersions(ctx, db, ward.ID, nil, []Entry{{Row{Int: 1}, group(self.Name, 0)}, {Row{Int: 2}, group("kisumu", 3)}, {Row{Int: 3}, group("migori", 4)}}, a))
	check(t, PutTombstones(ctx, db, ward.ID, []Tombstone{{"a", stamped(1, self.Name, at.Epoch, 0)}}, a))
	check(t, AddPeer(ctx, db, &Peer{Name: "migori", Role: access.Child, Card: []byte("x"), Link: merge.Link{Number: 7}}))
	check(t, sqldb.Exec(ctx, db, "INSERT INTO omsync_capture (table_id, operation, local_id, changed_at) VALUES (1, 1, 9, '2026-01-01')"))
	check(t, sqldb.Exec(ctx, db, "INSERT INTO omsync_rule (peer_id, rules) VALUES (0, '{}')"))

	unsealed := must(BecomeClone(ctx, db, "kisumu", CloneOf{self.Name, access.Parent, []byte("card")}, time.Now()))(t)
	same(t, "changes that were not sealed", unsealed, int64(1))
	now := must(LoadNode(ctx, db))(t)
	if now.Name != "kisumu" || now.History == self.History || len(now.Earlier) > 0 {
		t.Errorf("%+v", now)
	}
	a = must(LoadAuthors(ctx, db))(t)
	peers := must(Peers(ctx, db))(t)
	if len(peers) != 1 || peers[0].Name != self.Name || peers[0].Role != access.Parent || peers[0].Link.Applied != at || peers[0].Link.History != self.History {
		t.Fatalf("%+v", peers)
	}
	p := peers[0].ID
	check(t, LoadImports(ctx, db, peers[0]))
	same(t, "imports", peers[0].Link.Imports, []merge.AppliedBatch{{Position: at, OwnEpoch: at.Epoch}})
	same(t, "versions", must(AllVersions(ctx, db, ward.ID, a))(t), map[Row][]merge.Group{{Int: 1}: group(self.Name, p), {Int: 2}: group("kisumu", p), {Int: 3}: group("migori", p)})
	same(t, "deletions", must(Tombstones(ctx, db, ward.ID, []string{"a"}, a))(t), map[string]merge.Version{"a": stamped(1, self.Name, at.Epoch, p)})
	same(t, "default", must(LoadTables(ctx, db, a))(t)["ward"].Default, group(self.Name, p)[0])
	last := must(LastEpoch(ctx, db))(t)
	if last.Epoch != at.Epoch || last.Token == at.Token {
		t.Errorf("its epochs end at %+v, and the other's at %+v", last, at)
	}
	same(t, "changes", must(CountChanges(ctx, db))(t), int64(0))
	for _, l := range layouts() {
		rows := 0
		check(t, db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+l.name).Scan(&rows))
		if rows > 0 && !clonesKeep(l.name) {
			t.Errorf("%s has %d rows", l.name, rows)
		}
	}
	if _, err := BecomeClone(ctx, db, "other", CloneOf{self.Name, access.Parent, nil}, time.Now()); err == nil {
		t.Error("a database of another node became a clone")
	}
}
