// Package headers turns the header of a batch into what the rules of a link read, and what they write into the header of a batch: one
// place says which field is which.
package headers

import (
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/merge"
)

// ToRules returns a header as package merge reads it.
func ToRules(h *batch.Header) merge.Header {
	return merge.Header{At: h.Time, History: h.History, Earlier: h.Earlier, Learned: h.Histories(batch.Learned), Copies: h.Histories(batch.Copies),
		GivenUp: h.Histories(batch.GivenUp), Link: h.Link, PeerLink: h.PeerLink, Base: merge.Position(h.Base),
		Upto: merge.Position(h.Upto), Ahead: h.Ahead, Chain: each[batch.Position, merge.Position](h.Chain), AckHistory: h.AckHistory,
		Ack: merge.Position(h.Ack), Missing: merge.Position(h.Missing), Load: h.Load, Part: h.Part, Last: h.Last,
		LoadHave: h.LoadHave, PartHave: h.PartHave, LoadUpto: merge.Position(h.LoadUpto)}
}

// FromRules returns the header of a batch with what package merge says of it. Who sends it to whom, the schema, the time and what is
// sent again or asked for are the caller's to add, the last to what stands in Requests.
func FromRules(h merge.Header) *batch.Header {
	var said []string
	for word, list := range map[string][]uint64{batch.Learned: h.Learned, batch.Copies: h.Copies, batch.GivenUp: h.GivenUp} {
		for _, history := range list {
			said = append(said, batch.HistoryText(word, history))
		}
	}
	slices.Sort(said)
	return &batch.Header{Requests: said, Time: h.At, History: h.History, Earlier: h.Earlier, Link: h.Link, PeerLink: h.PeerLink, Base: batch.Position(h.Base),
		Upto: batch.Position(h.Upto), Ahead: h.Ahead, Chain: each[merge.Position, batch.Position](h.Chain), AckHistory: h.AckHistory,
		Ack: batch.Position(h.Ack), Missing: batch.Position(h.Missing), Load: h.Load, Part: h.Part, Last: h.Last,
		LoadHave: h.LoadHave, PartHave: h.PartHave, LoadUpto: batch.Position(h.LoadUpto)}
}

// position is a place in a history, as either package calls it.
type position interface {
	~struct{ Epoch, Token uint64 }
}

func each[From, To position](list []From) []To {
	var out []To
	for _, p := range list {
		out = append(out, To(p))
	}
	return out
}
