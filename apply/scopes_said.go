package apply

import (
	"errors"
	"io"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// What a batch says of scopes, beside its rows.

// asked does what the header of a batch is the reason for, whatever becomes of the batch.
func (l *peerLink) asked(d merge.Decision, said *batch.ScopeItem) error {
	s := l.scopes
	if s == nil {
		return nil
	}
	switch {
	case s.child:
		if said == nil {
			said = &batch.ScopeItem{}
		}
		if len(said.Wants)+len(said.Seeks) > 0 || s.store.Replied() {
			wants := l.ownersHere(said.Wants)
			s.store.Know(wants)
			s.store.By(scopes.Request, "")
			defer s.store.By(scopes.Import, "")
			kept := s.node.Request(s.peer, wants, l.peer.Link.Acked.Epoch, l.rules.Ack.Epoch, d.Valid)
			named, n := s.node.Identify(s.peer, said.Seeks, l.peer.Link.Acked.Epoch, l.rules.Ack.Epoch, d.Valid)
			for _, o := range slices.Concat(kept, named) {
				n += 1 + len(o)/longKey
			}
			if err := l.meter.use(access.Requests, n); err != nil {
				return err
			}
		}
	case d.Rejoin != nil && s.node.Rejoin(d.Rejoin.Position.Epoch):
		l.notes.add("%s was restored to before this node deleted what it had of patients who left its scope: add it again as a peer, so that it sends all anew", l.peer.Name)
	}
	return s.store.Err()
}

// heard takes what a parent says of this node's scope, once the batch is in.
func (l *peerLink) heard(said *batch.ScopeItem, d merge.Decision) {
	if s := l.scopes; s != nil && !s.child && said != nil && said.Said && l.header.Last {
		replies := map[string]scope.Reply{}
		for _, r := range said.Replies {
			reply := scope.Reply{Answer: scope.Answer(r.Answer)}
			if r.Owner != "" {
				reply.Owner = scope.Owner(ownerHere(l.j, l.aliases, r.Owner))
			}
			if r.Asked == r.Owner {
				r.Asked = string(reply.Owner)
			}
			replies[r.Asked] = reply
		}
		s.node.Hear(scope.Said{Whole: said.Whole, Entered: l.ownersHere(said.Entered), Left: l.ownersHere(said.Left), Denied: l.ownersHere(said.Denied), Purge: l.ownersHere(said.Purge), Replies: replies},
			l.header.Upto.Epoch, l.header.Ack.Epoch, d.Valid)
	}
}

// ownersHere returns owners by their keys here.
func (l *peerLink) ownersHere(theirs []string) []scope.Owner {
	out := make([]scope.Owner, 0, len(theirs))
	for _, key := range theirs {
		out = append(out, scope.Owner(ownerHere(l.j, l.aliases, key)))
	}
	return out
}

// ownerHere returns the key here of an owner by the sender's key.
func ownerHere(j *journal.Journal, aliases *journal.Aliases, their string) string {
	owners, err := j.Catalogue.Owners()
	if err != nil || owners.Table == nil {
		return their
	}
	root := owners.Table.Root
	key := journal.Canonical(root, their)
	if meta := j.Tables[root.Name]; meta != nil {
		if own, ok := aliases.Own(meta.ID, key); ok {
			return own
		}
	}
	return key
}

// readLead reads the items that stand before all others of a batch that may speak of scopes. first is what it read, in order; nil stands for the end.
func readLead(r *batch.Reader) (said *batch.ScopeItem, first []any, err error) {
	if !r.Header().HasScopes() {
		return nil, nil, nil
	}
	for {
		item, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return said, append(first, nil), nil
		case err != nil:
			return nil, nil, err
		}
		first = append(first, item)
		switch i := item.(type) {
		case *batch.RulesItem:
		case *batch.ScopeItem:
			return i, first, nil
		default:
			return nil, first, nil
		}
	}
}
