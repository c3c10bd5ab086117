package export

import (
	"context"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/scopes"
)

// hasScopeRules reports whether rules fill the scope of the peer.
func (p *plan) hasScopeRules() bool {
	return p.scopes.filters && !p.scopes.all && !p.match && len(p.scopes.store.Rules(p.peer.ID).Names) > 0
}

// followScopeRules brings into the peer's scope whom its rules want there, and takes out whom only they brought. Where no row that they look at
// has changed it costs a statement for each table that they look at, and a few for all.
func (p *plan) followScopeRules(ctx context.Context, o Options) error {
	if _, err := capture.Seal(ctx, p.j, o.Wait); err != nil {
		return err
	}
	return scopes.Change(ctx, p.j, o.Wait, "", func(s *scopes.Store) error {
		f, err := s.Rule(p.peer.ID, o.ScopeRules, false)
		if err != nil {
			return err
		}
		if err := s.Fill(p.peer.ID, &f, false); err != nil {
			return err
		}
		if f.Trouble != nil {
			p.j.Warn("scope of %s: %v", p.peer.Name, f.Trouble)
		}
		return nil
	})
}
