package sites

import (
	"context"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/journal"
)

// Set says at the site which way tables go on the link to a peer, in place of what was said before; nil: to all children.
func (s *Site) Set(to *Site, said ...access.Said) {
	s.t.Helper()
	var err error
	if to == nil {
		err = journal.SaveRulesForAll(context.Background(), s.node, said, access.NoPreset)
	} else {
		p := s.Peer(to)
		p.Rules.Said = said
		err = journal.SaveRules(context.Background(), s.node, p)
	}
	if err != nil {
		s.t.Fatalf("at %s: %v", s.Name, err)
	}
}
