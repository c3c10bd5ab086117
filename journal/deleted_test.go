package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

func text(s string) Value { return Value{Text: &s} }

func TestDeleted(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	long, other := strings.Repeat("k", 701), strings.Repeat("k", 700)+"l"
	content := func(s string) Content {
		return Content{"name": text(s), "note": {}, "scan": text("\xff\x00'\\"), "ward_id": {Text: text("w-1").Text, Table: "ward"}}
	}
	rows := []Deleted{
		{"w-1", content("one"), 2, stamped(10, "hub", 3, 0), 100},
		{long, content("long"), 0, stamped(11, "kisumu", 4, 2), 101},
		{other, nil, 0, stamped(12, "kisumu", 4, 2), 102},
		{"w-1", content("again"), 3, stamped(13, "siaya", 5, 3), 103},
	}
	same(t, "too long", must(KeepDeleted(ctx, db, 5, rows, a))(t), 0)
	same(t, "of keys", must(DeletedRows(ctx, db, 5, []string{"w-1", long, "w-3"}, a))(t), map[string]Deleted{"w-1": rows[3], long: rows[1]})
	same(t, "of another table", must(DeletedRows(ctx, db, 6, []string{"w-1"}, a))(t), map[string]Deleted{})
	same(t, "who added", must(DeletedAuthors(ctx, db, 5, []string{"w-1", long, "w-3"}))(t), map[string]merge.Peer{"w-1": 3, long: 0})
	by := func(peer merge.Peer, first, last uint64) (keys []string) {
		t.Helper()
		check(t, DeletedBy(ctx, db, peer, first, last, a, func(d DeletedKey) error {
			keys = append(keys, fmt.Sprint(d.Table, d.Key[:3], d.Epoch))
			return nil
		}))
		return keys
	}
	same(t, "by kisumu", by(2, 0, 9), []string{"5kkk4", "5kkk4"})
	same(t, "since", by(2, 5, 9), nil)
	same(t, "up to", by(3, 0, 4), nil)
	same(t, "made here", by(0, 3, 3), []string{"5w-13"})
	same(t, "forgotten", must(PruneDeleted(ctx, db, 103, 2))(t), 2)
	same(t, "the rest", must(PruneDeleted(ctx, db, 103, 2))(t), 1)
	same(t, "left", must(DeletedRows(ctx, db, 5, []string{"w-1", long, other}, a))(t), map[string]Deleted{"w-1": rows[3]})
}

// Long rows are written and read in portions; what is longer than a record may be is not kept.
func TestDeletedRowsThatAreLong(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	var rows []Deleted
	var keys []string
	for i := range 7 {
		key := fmt.Sprintf("w-%d", i)
		keys = append(keys, key)
		rows = append(rows, Deleted{key, Content{"note": text(strings.Repeat("n", 900_000+i))}, 0, stamped(10, "hub", 3, 0), 100})
	}
	tooLong := Deleted{"too long", Content{"note": text(strings.Repeat("n", MaxContent))}, 2, stamped(10, "hub", 3, 0), 100}
	longOne := Deleted{"long", Content{"note": text(strings.Repeat("n", 4<<20))}, 0, stamped(10, "hub", 3, 0), 100}
	same(t, "too long", must(KeepDeleted(ctx, db, 5, append(rows, tooLong, longOne), a))(t), 1)
	got := must(DeletedRows(ctx, db, 5, append(keys, "too long", "long"), a))(t)
	same(t, "kept", len(got), 8)
	for _, r := range append(rows, longOne) {
		if !got[r.Key].Content.Equal(r.Content) {
			t.Errorf("%s came back otherwise", r.Key)
		}
	}
}

// A row that is too long to be kept counts as deleted, and is known to whom it was; nothing comes back of it, nor of an earlier deletion.
func TestDeletedRowsThatAreTooLong(t *testing.T) {
	ctx := t.Context()
	db, a := newNode(t)
	short, long := Content{"note": text("short")}, Content{"note": text(strings.Repeat("n", MaxContent))}
	same(t, "too long", must(KeepDeleted(ctx, db, 5, []Deleted{
		{"w-1", short, 2, stamped(10, "kisumu", 3, 2), 100},
		{"w-2", long, 3, stamped(11, "kisumu", 3, 2), 101},
		{"w-3", short, 0, stamped(12, "kisumu", 3, 2), 102},
	}, a))(t), 1)
	same(t, "too long again", must(KeepDeleted(ctx, db, 5, []Deleted{{"w-1", long, 2, stamped(20, "kisumu", 4, 2), 200}}, a))(t), 1)
	checkTooLong(t, db, a)
}

// checkTooLong expects w-1, w-2 and w-3 deleted by kisumu in epoch 3, and w-1 once more in epoch 4; w-2, and w-1 then, too long.
func checkTooLong(t *testing.T, db sqldb.DB, a *Authors) {
	t.Helper()
	ctx := t.Context()
	keys := []string{"w-1", "w-2", "w-3"}
	same(t, "counted", must(RecentDeletions(ctx, db, 5, 2, time.UnixMicro(99)))(t), []int64{3, 1})
	same(t, "counted later", must(RecentDeletions(ctx, db, 5, 2, time.UnixMicro(102)))(t), []int64{1})
	same(t, "who added", must(DeletedAuthors(ctx, db, 5, keys))(t), map[string]merge.Peer{"w-1": 2, "w-2": 3, "w-3": 0})
	got := must(DeletedRows(ctx, db, 5, keys, a))(t)
	if _, ok := got["w-3"]; !ok || len(got) != 1 {
		t.Errorf("kept: %+v, want w-3", got)
	}
	var by []string
	check(t, DeletedBy(ctx, db, 2, 0, 9, a, func(d DeletedKey) error {
		by = append(by, d.Key)
		return nil
	}))
	same(t, "by kisumu", by, []string{"w-1", "w-3"})
	same(t, "forgotten", must(PruneDeleted(ctx, db, 201, 9))(t), 4)
}

// smallLog is a server that takes no statement of more than so many bytes, as MySQL 5.6 with a small redo log.
type smallLog struct {
	sqldb.DB
	max int
}

func (l smallLog) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if len(query) > l.max {
		return nil, &mysql.MySQLError{Number: sqldb.ErrTooBigRow, Message: "a tenth of the redo log"}
	}
	return l.DB.ExecContext(ctx, query, args...)
}

// So is it where the server takes a record only so long.
func TestDeletedRowsThatTheServerDoesNotTake(t *testing.T) {
	ctx := t.Context()
	server, a := newNode(t)
	db := smallLog{server, 1 << 20}
	short, long := Content{"note": text("short")}, Content{"note": text(strings.Repeat("n", 1<<20))}
	same(t, "too long", must(KeepDeleted(ctx, db, 5, []Deleted{
		{"w-1", short, 2, stamped(10, "kisumu", 3, 2), 100},
		{"w-2", long, 3, stamped(11, "kisumu", 3, 2), 101},
		{"w-3", short, 0, stamped(12, "kisumu", 3, 2), 102},
		{"w-1", long, 2, stamped(20, "kisumu", 4, 2), 200},
	}, a))(t), 2)
	checkTooLong(t, db, a)
}
