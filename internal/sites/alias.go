package sites

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/journal"
)

// Alias has the site take a row of a peer's for one here, as a person decided.
func (s *Site) Alias(peer *Site, table, their, own string) {
	s.t.Helper()
	a := journal.Alias{Peer: s.Peer(peer).ID, Table: s.J.Tables[table].ID, Their: their, Own: own, From: journal.AliasDecided, At: s.now().UnixMicro()}
	if err := journal.PutAliases(context.Background(), s.node, []journal.Alias{a}); err != nil {
		s.t.Fatal(err)
	}
}

// Disconnect has two nodes remove each other; s was the parent.
func (s *Site) Disconnect(child *Site) {
	s.t.Helper()
	for _, end := range [][2]*Site{{s, child}, {child, s}} {
		end[0].Exec(fmt.Sprintf("UPDATE omsync_peer SET state = 'removed' WHERE id = %d", end[0].Peer(end[1]).ID))
	}
	child.parent = nil
	s.children = slices.DeleteFunc(s.children, func(c *Site) bool { return c == child })
}

// Aliases lists what the site calls another way than a peer, as "table their=own", in order.
func (s *Site) Aliases(peer *Site) (out []string) {
	s.t.Helper()
	for _, r := range s.Query(fmt.Sprintf("SELECT CONVERT(t.name USING utf8mb4), CONVERT(a.their_key USING utf8mb4), CONVERT(a.own_key USING utf8mb4) FROM omsync_alias a JOIN omsync_table t ON t.id = a.table_id WHERE a.peer_id = %d ORDER BY 1, 2", s.Peer(peer).ID)) {
		out = append(out, r[0]+" "+r[1]+"="+r[2])
	}
	return out
}

// theirNames returns, by table, what rows of the site are called at a peer, where that is another key: by its aliases and by the peer's.
func (s *Site) theirNames(peer *Site) map[string]map[string]string {
	s.t.Helper()
	out := map[string]map[string]string{}
	for i, end := range [][2]*Site{{s, peer}, {peer, s}} {
		for _, l := range end[0].Aliases(end[1]) {
			table, pair, _ := strings.Cut(l, " ")
			their, own, _ := strings.Cut(pair, "=")
			if i == 1 {
				their, own = own, their
			}
			if out[table] == nil {
				out[table] = map[string]string{}
			}
			out[table][own] = their
		}
	}
	return out
}

// SameUnderAliases is Same for sites of which one calls things otherwise than the other. It puts the other's keys into the text of a dump, and
// knows nothing of how omsync translates.
func SameUnderAliases(t testing.TB, a, b *Site, except ...string) {
	t.Helper()
	names := map[string]string{}
	for _, of := range a.theirNames(b) {
		maps.Copy(names, of)
	}
	say := func(key string) string {
		parts := strings.Split(key, "/")
		for i, p := range parts {
			if n, ok := names[p]; ok {
				parts[i] = n
			}
		}
		return strings.Join(parts, "/")
	}
	d := Dumped{}
	for table, rows := range a.shared(b) {
		d[table] = map[string]map[string]string{}
		for key, row := range rows {
			if d[table][say(key)] != nil {
				t.Errorf("two rows of %s at %s are %s at %s", table, a.Name, say(key), b.Name)
			}
			for c, v := range row {
				row[c] = say(v)
			}
			d[table][say(key)] = row
		}
	}
	Differ(t, a.Name, d, b.Name, b.shared(a), except...)
}

// SameUnder makes sure that what a query answers at two sites is the same, once what the first one has aliases for is said in the second
// one's keys. The query says of every row all that counts, keys in the place of integers.
func SameUnder(t testing.TB, a, b *Site, query string) {
	t.Helper()
	names := map[string]string{}
	for _, of := range a.theirNames(b) {
		maps.Copy(names, of)
	}
	read := func(s *Site, names map[string]string) map[string]int {
		out := map[string]int{}
		for _, r := range s.Query(query) {
			for i := range r {
				if n, ok := names[r[i]]; ok {
					r[i] = n
				}
			}
			out[strings.Join(r, " | ")]++
		}
		return out
	}
	here, there := read(a, names), read(b, nil)
	for row, n := range here {
		if there[row] != n {
			t.Errorf("%d times at %s and %d times at %s: %s", n, a.Name, there[row], b.Name, row)
		}
	}
	for row, n := range there {
		if here[row] == 0 {
			t.Errorf("%d times at %s and not at %s: %s", n, b.Name, a.Name, row)
		}
	}
}
