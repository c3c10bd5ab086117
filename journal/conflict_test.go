package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/merge"
)

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
	put := func(cs ...Conflict) (int, int) {
		n, size, err := PutConflicts(ctx, db, cs)
		check(t, err)
		return n, size
	}
	bytes := 0
	for _, c := range cs {
		bytes += c.size()
	}
	if n, size := put(cs...); n != len(cs) || size != bytes {
		t.Errorf("%d with %d bytes were new, want %d with %d", n, size, len(cs), bytes)
	}
	twice := cs[0]
	twice.Epoch, twice.At, twice.From = 99, 99, 1
	another := cs[0]
	another.Value = nil
	if n, size := put(twice, another, another); n != 1 || size != len(another.Key) {
		t.Errorf("%d with %d bytes of one known and one new were new", n, size)
	}
	long := another
	if long.Key = strings.Repeat("k", 1<<16); long.Fits() {
		t.Error("a key that would be cut fits")
	}
	if _, _, err := PutConflicts(ctx, db, []Conflict{long}); err == nil {
		t.Error("a key that would be cut is recorded")
	}
	if long.Key = long.Key[1:]; !long.Fits() {
		t.Error("the longest key does not fit")
	}
	for _, bad := range []string{"", "Busia", strings.Repeat("a", 32)} {
		c := another
		if c.Loser.Author = bad; c.Fits() {
			t.Errorf("%q is an author", bad)
		}
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
