package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

// Rows are named short alone in what starts where the peer is.
func TestNamesShort(t *testing.T) {
	at := merge.Position{Epoch: 5, Token: 7}
	for what, c := range map[string]struct {
		l     merge.Link
		h     merge.Header
		names bool
	}{
		"acknowledged":          {merge.Link{Acked: at}, merge.Header{Base: at}, true},
		"a full load":           {merge.Link{Acked: at}, merge.Header{}, false},
		"nobody was heard":      {merge.Link{}, merge.Header{}, false},
		"a part of a load":      {merge.Link{Acked: at}, merge.Header{Base: at, Load: 4}, false},
		"not acknowledged":      {merge.Link{Acked: at}, merge.Header{Base: merge.Position{Epoch: 9, Token: 1}, Ahead: true}, false},
		"as if it were":         {merge.Link{Acked: at}, merge.Header{Base: at, Ahead: true}, false},
		"another history's":     {merge.Link{Acked: at}, merge.Header{Base: merge.Position{Epoch: 5, Token: 8}}, false},
		"its keys were revoked": {merge.Link{Acked: at, Doubted: true}, merge.Header{Base: at}, false},
	} {
		if c.l.NamesShort(c.h) != c.names {
			t.Errorf("%s: %v", what, !c.names)
		}
	}
}

func TestSurelyHas(t *testing.T) {
	const peer, other = 1, 2
	l := merge.Link{Acked: merge.Position{Epoch: 5, Token: 7}}
	row := func(v merge.Version) merge.Row {
		return merge.Row{Known: true, Alive: true, Groups: []merge.Group{{Mask: merge.Bit(merge.Existence), Version: v}, {Mask: merge.Bit(1), Version: merge.Version{Epoch: 9}}}}
	}
	for what, c := range map[string]struct {
		row       merge.Row
		goes, has bool
	}{
		"sent and acknowledged":               {row(merge.Version{Epoch: 5}), true, true},
		"another's, sent and acknowledged":    {row(merge.Version{Epoch: 5, From: other}), true, true},
		"new":                                 {row(merge.Version{Epoch: 6}), true, false},
		"it does not go there":                {row(merge.Version{Epoch: 5}), false, false},
		"the peer's":                          {row(merge.Version{Epoch: 9, From: peer}), false, true},
		"the peer's, which it lost":           {row(merge.Version{Epoch: 9, Added: merge.Adder{Stored: true, Peer: peer}}), true, false},
		"the peer's, whose existence is ours": {row(merge.Version{Epoch: 9, From: peer, Added: merge.Adder{Stored: true}}), true, false},
		"nothing is known":                    {merge.Row{}, true, false},
		"deleted":                             {merge.Row{Known: true, Dead: merge.Version{Epoch: 1, From: peer}}, true, false},
		"without an existence":                {merge.Row{Known: true, Alive: true, Groups: []merge.Group{{Mask: merge.Bit(1), Version: merge.Version{Epoch: 1}}}}, true, false},
	} {
		if l.SurelyHas(c.row, peer, c.goes) != c.has {
			t.Errorf("%s: %v", what, !c.has)
		}
	}
}
