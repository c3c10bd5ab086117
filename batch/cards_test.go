package batch

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestCards(t *testing.T) {
	const a, b = "02134-93842-00000-11111-22222-33333-44444", "12134-93842-00000-11111-22222-33333-44444"
	for _, c := range []struct {
		texts []string
		want  []string
	}{
		{[]string{"person#7", HasCard(a), "reads:rules", HasCard(b), HasCard(a)}, []string{a, b}},
		{[]string{"card:", "card:x", HasCard(a[1:]), HasCard(a + "1"), HasCard(strings.ReplaceAll(a, "0", "o")), "card:person#7"}, nil},
	} {
		if got := (&Header{Requests: c.texts}).Cards(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %q", c.texts, got)
		}
	}
}

// The keys of a card come back as they were, in texts that a header can hold, and nothing else does.
func TestNewCard(t *testing.T) {
	for _, n := range []int{0, 1, newCardText, newCardText + 1, 2004} {
		keys := strings.Repeat("a", n)
		texts := NewCard(keys)
		h := &Header{Sender: "a", Receiver: "b", Last: true, Requests: append([]string{"person#7", HasCard("x")}, texts...)}
		if got := h.NewCard(); got != keys {
			t.Errorf("%d characters came back as %q", n, got)
		}
		if err := h.check(); err != nil {
			t.Error(err)
		}
		if got := h.TableRequests(); !reflect.DeepEqual(got, []string{"person#7"}) {
			t.Errorf("requests for tables: %q", got)
		}
	}
	for _, bad := range [][]string{{"new-card:1:a"}, {"new-card:0:a", "new-card:2:b"}, {"new-card:0:a", "new-card:0:b"}, {"new-card:00:a"}, {"new-card::a"}, {"new-card:"}, {"new-card:0:a#7"}, many(maxNewTexts + 1)} {
		if got := (&Header{Requests: bad}).NewCard(); got != "" {
			t.Errorf("%.80q: %.80q", bad, got)
		}
	}
}

func many(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("new-card:%d:a", i))
	}
	return out
}
