package rotation

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

func nobody(string) bool { return false }

func only(card string) func(string) bool { return func(c string) bool { return c == card } }

func TestHear(t *testing.T) {
	a := Peer{Present: "a"}
	ab := Peer{Present: "a", Next: "b"}
	b := Peer{Present: "b", Former: []string{"a"}}
	for _, c := range []struct {
		name    string
		before  Peer
		h       Header
		revoked func(string) bool
		want    Peer
	}{
		{"the present key names the next", a, Header{Signed: "a", Next: "b", Counts: Said}, nobody, ab},
		{"another next", ab, Header{Signed: "a", Next: "c", Counts: All}, nobody, Peer{Present: "a", Next: "c"}},
		{"it says nothing of a next", ab, Header{Signed: "a", Counts: All}, nobody, ab},
		{"the next has signed", ab, Header{Signed: "b", Counts: All}, nobody, b},
		{"the next has signed what is not applied", ab, Header{Signed: "b", Counts: Said}, nobody, ab},
		{"the next names one before it is present", ab, Header{Signed: "b", Next: "c", Counts: Said}, nobody, ab},
		{"the next names one", ab, Header{Signed: "b", Next: "c", Counts: All}, nobody, Peer{Present: "b", Next: "c", Former: []string{"a"}}},
		{"a former key names one", b, Header{Signed: "a", Next: "c", Counts: All}, nobody, b},
		{"the present key names a former card", b, Header{Signed: "b", Next: "a", Counts: All}, nobody, b},
		{"the present key names itself", a, Header{Signed: "a", Next: "a", Counts: All}, nobody, a},
		{"a stranger's key", a, Header{Signed: "x", Next: "y", Counts: All}, nobody, a},
		{"of a history that does not count", a, Header{Signed: "a", Next: "b", Counts: Nothing}, nobody, a},
		{"the next, of a history that does not count", ab, Header{Signed: "b", Counts: Nothing}, nobody, ab},
		{"the present card is revoked", a, Header{Signed: "a", Next: "b", Has: []string{"x"}, Counts: All}, only("a"), a},
		{"the next card is revoked", ab, Header{Signed: "b", Counts: All}, only("b"), ab},
		{"a revoked card is named", a, Header{Signed: "a", Next: "b", Counts: All}, only("b"), a},
		{"what the peer has", a, Header{Signed: "a", Has: []string{"x", "y"}, Counts: Said}, nobody, Peer{Present: "a", Has: []string{"x", "y"}}},
		{"it says no more what it has", Peer{Present: "a", Has: []string{"x", "y"}}, Header{Signed: "a", Counts: All}, nobody, Peer{Present: "a", Has: []string{"x"}}},
		{"a late header", Peer{Present: "a", Has: []string{"y"}, History: 1, Epoch: 5, Time: 7}, Header{Signed: "a", Next: "b", Has: []string{"x"}, History: 1, Epoch: 4, Time: 9, Counts: All}, nobody,
			Peer{Present: "a", Has: []string{"y"}, History: 1, Epoch: 5, Time: 7}},
		{"a late header of one epoch", Peer{Present: "a", Has: []string{"y"}, History: 1, Epoch: 5, Time: 7}, Header{Signed: "a", Has: []string{"x"}, History: 1, Epoch: 5, Time: 6, Counts: All}, nobody,
			Peer{Present: "a", Has: []string{"y"}, History: 1, Epoch: 5, Time: 7}},
		{"a header of another history", Peer{Present: "a", Has: []string{"y"}, History: 1, Epoch: 5, Time: 7}, Header{Signed: "a", Has: []string{"x"}, History: 2, Epoch: 4, Time: 6, Counts: All}, nobody,
			Peer{Present: "a", Has: []string{"x"}, History: 2, Epoch: 4, Time: 6}},
		{"a late header signed by the next", Peer{Present: "a", Next: "b", History: 1, Epoch: 5}, Header{Signed: "b", History: 1, Epoch: 4, Counts: All}, nobody,
			Peer{Present: "b", Former: []string{"a"}, History: 1, Epoch: 5}},
	} {
		if got := c.before.Hear(c.h, c.revoked); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestTakes(t *testing.T) {
	p := Peer{Present: "b", Next: "c", Former: []string{"a"}}
	for card, want := range map[string]bool{"a": false, "b": true, "c": true, "": false, "x": false} {
		if got := p.Takes(card, nobody); got != want {
			t.Errorf("of %q: %v", card, got)
		}
		if p.Takes(card, func(string) bool { return true }) {
			t.Errorf("of %q, revoked", card)
		}
	}
	if p.Takes("c", only("b")) || p.Takes("c", only("c")) || !p.Takes("b", only("c")) {
		t.Error("of a card that a revoked one named")
	}
	if (Peer{}).Takes("", nobody) {
		t.Error("of no card")
	}
}

// A chain of any length is remembered as far as there is room.
func TestFormerCards(t *testing.T) {
	p := Peer{Present: "0"}
	name := func(i int) string { return string(rune('0' + i)) }
	for i := 1; i <= 2*MaxFormer; i++ {
		p = p.Hear(Header{Signed: name(i - 1), Next: name(i), Counts: All}, nobody).Hear(Header{Signed: name(i), Counts: All}, nobody)
	}
	if p.Present != name(2*MaxFormer) || len(p.Former) != MaxFormer || p.Former[MaxFormer-1] != name(2*MaxFormer-1) {
		t.Errorf("%+v", p)
	}
}

func TestMeet(t *testing.T) {
	p := Peer{Present: "b", Next: "c", Former: []string{"a"}, Has: []string{"x"}}
	for stored, want := range map[string]Peer{
		"b": p, "a": p,
		"c": {Present: "c", Former: []string{"a", "b"}, Has: []string{"x"}},
		"z": {Present: "z"},
	} {
		if got := p.Meet(stored); !reflect.DeepEqual(got, want) {
			t.Errorf("with %s in the database: %+v", stored, got)
		}
	}
	if got := (Peer{}).Meet("a"); !reflect.DeepEqual(got, Peer{Present: "a"}) {
		t.Errorf("of a peer of which nothing is known: %+v", got)
	}
}

func TestChoose(t *testing.T) {
	own := []Key{{"c", 20}, {"b", 10}, {"a", 0}}
	for _, c := range []struct {
		name  string
		has   []string
		added int64
		want  Choice
	}{
		{"the newest", []string{"c"}, 0, Choice{0, -1}},
		{"the newest as the next", []string{"a", "c"}, 0, Choice{0, -1}},
		{"one before", []string{"b"}, 30, Choice{1, 0}},
		{"the first", []string{"a"}, 30, Choice{2, 1}},
		{"one that is to come, and a newer", []string{"a", "b"}, 30, Choice{1, -1}},
		{"one, and another's", []string{"b", "x"}, 30, Choice{1, 0}},
		{"none of these", []string{"x"}, 5, Choice{0, -1}},
		{"nothing said, added of late", nil, 25, Choice{0, -1}},
		{"nothing said, added when the newest came", nil, 20, Choice{0, -1}},
		{"nothing said, added between", nil, 19, Choice{1, -1}},
		{"nothing said, added at first", nil, 5, Choice{2, -1}},
	} {
		if got := Choose(own, c.has, c.added); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if got := Choose([]Key{{"b", 10}}, nil, 5); got != (Choice{0, -1}) {
		t.Errorf("without the key of then: %+v", got)
	}
}

func TestSpare(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	own := []Key{{"c", at.Add(48 * time.Hour).UnixMicro()}, {"b", at.UnixMicro()}, {"a", 0}}
	for _, c := range []struct {
		name string
		used string
		now  time.Time
		want []string
	}{
		{"too early", "", at.Add(Keep - 1), nil},
		{"the first", "", at.Add(Keep), []string{"a"}},
		{"all before the newest", "", at.Add(Keep + 48*time.Hour), []string{"b", "a"}},
		{"one that a peer uses", "a", at.Add(Keep + 48*time.Hour), []string{"b"}},
		{"the newest is none", "x", at.Add(100 * Keep), []string{"b", "a"}},
		{"the clock was set back", "", at.Add(-Keep), nil},
	} {
		var got []string
		for _, k := range Spare(own, only(c.used), c.now) {
			got = append(got, k.Card)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
