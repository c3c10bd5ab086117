package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

func TestCloneSigns(t *testing.T) {
	for _, c := range []struct {
		signs merge.CloneSigns
		want  merge.CloneVerdict
	}{
		{merge.CloneSigns{Named: true, Made: true, Anew: true}, merge.IsClone},
		{merge.CloneSigns{Named: true, Made: true}, merge.MayBeTheNode},
		{merge.CloneSigns{Named: true, Anew: true}, merge.MayBeTheNode},
		{merge.CloneSigns{Named: true}, merge.MayBeTheNode},
		{merge.CloneSigns{Named: true, Made: true, Said: true}, merge.IsClone},
		{merge.CloneSigns{Made: true, Anew: true, Said: true}, merge.OtherNode},
	} {
		if got := c.signs.Verdict(); got != c.want {
			t.Errorf("%+v: %d, want %d", c.signs, got, c.want)
		}
	}
}

// A clone's first header acknowledges what it is a copy of, so that the node sends the difference. If the node was restored meanwhile, to before
// the copy or after it, the two go back to what they share; a file of before that is refused.
func TestCloneLink(t *testing.T) {
	for _, restored := range []bool{false, true} {
		node := newSide(1, 10)
		node.link = merge.Link{Number: 10}
		for range 3 {
			node.change()
		}
		before := node.copy()
		node.change()
		at := node.position()
		clone := newSide(2, 20)
		for range 4 {
			clone.change()
		}
		clone.link = merge.CloneLink(20, node.history.ID, []uint64{99}, at)
		if restored {
			node = before
			node.change()
		}
		h := clone.export(merge.ExportRequest{})
		if h.Ack != at || h.AckHistory != 1 {
			t.Fatalf("%+v", h)
		}
		d := node.receive(h)
		if d.NewHistory != restored || d.Rejoin != nil {
			t.Fatalf("restored %v: %+v", restored, d)
		}
		if !restored && node.link.Acked != at {
			t.Fatalf("acknowledged %+v", node.link.Acked)
		}
		node.change()
		next := node.export(merge.ExportRequest{})
		if restored {
			if next.Base != (merge.Position{}) {
				t.Errorf("it was restored, and sends from %+v", next.Base)
			}
			if d := clone.receive(next); d.Verdict != merge.Apply || d.Rejoin == nil || d.Rejoin.OwnEpoch != 0 {
				t.Errorf("the node was restored to before the copy: %+v", d)
			}
			continue
		}
		if next.Base != at {
			t.Errorf("it sends from %+v", next.Base)
		}
		clone.want(t, next, merge.Apply)
		late := next
		late.History = 99
		clone.want(t, late, merge.Retired)
	}
}
