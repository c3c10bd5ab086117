package journal

import (
	"fmt"
	"strings"
	"testing"

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
	tooLong := Deleted{"too long", Content{"note": text(strings.Repeat("n", MaxContent))}, 0, stamped(10, "hub", 3, 0), 100}
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
