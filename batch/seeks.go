package batch

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Limits of requests by identifier.
const (
	MaxSeeks      = 256  // that a [ScopeItem] makes
	MaxReplies    = 1024 // answers that it gives
	MaxIdentifier = 200  // bytes of what is asked for
)

// Identifiers is the feature of files whose [ScopeItem] asks for owners by what people call them, and answers that. They have [Scopes] too.
const Identifiers = "identifiers"

// hasIdentifiers reports whether the batch may use [Identifiers].
func (h *Header) hasIdentifiers() bool {
	return slices.ContainsFunc(h.Needs(), func(n Need) bool { return n.Feature == Identifiers })
}

// ReplyItem is what became of one request.
type ReplyItem struct {
	Asked  string // the identifier, or the key where a person is to answer what was asked by that
	Answer uint8  // as scope.Answer counts them
	Owner  string // the key of the owner; empty: none
}

func (s *state) checkSeeks(i *ScopeItem) error {
	switch {
	case !s.identifiers && len(i.Seeks)+len(i.Replies) > 0:
		return errors.New("the header does not say that the batch may ask by identifiers")
	case len(i.Seeks) > MaxSeeks:
		return fmt.Errorf("it asks for more than %d identifiers", MaxSeeks)
	case len(i.Replies) > MaxReplies:
		return fmt.Errorf("it gives more than %d answers", MaxReplies)
	case !i.Said && len(i.Replies) > 0:
		return errors.New("it answers, and says nothing of a scope")
	}
	asked := slices.Clone(i.Seeks)
	for _, r := range i.Replies {
		asked = append(asked, r.Asked)
		if r.Owner != "" {
			if err := checkOwner(r.Owner); err != nil {
				return err
			}
		}
	}
	for _, a := range asked {
		if a == "" || len(a) > MaxIdentifier || !utf8.ValidString(a) {
			return fmt.Errorf("an identifier has %d bytes, not 1 to %d of UTF-8", len(a), MaxIdentifier)
		}
	}
	return nil
}

// seeks writes what a scope item has by the feature.
func (p *packer) seeks(i *ScopeItem) {
	p.array(len(i.Seeks))
	for _, a := range i.Seeks {
		p.text(a)
	}
	p.array(len(i.Replies))
	for _, r := range i.Replies {
		p.array(3)
		p.text(r.Asked)
		p.uint(uint64(r.Answer))
		p.text(r.Owner)
	}
}

func (r *Reader) readSeeks(i *ScopeItem) {
	for range r.array("identifiers", 0, MaxSeeks) {
		i.Seeks = append(i.Seeks, r.text("identifier", MaxIdentifier))
		r.spend(MaxIdentifier + cellCost)
		if r.in.err != nil {
			return
		}
	}
	for range r.array("answers", 0, MaxReplies) {
		r.array("answer", 3, 3)
		i.Replies = append(i.Replies, ReplyItem{r.text("identifier", MaxIdentifier), uint8(r.uint("answer", 255)), r.text("owner", MaxOwner)})
		r.spend(MaxIdentifier + MaxOwner + 2*cellCost)
		if r.in.err != nil {
			return
		}
	}
}
