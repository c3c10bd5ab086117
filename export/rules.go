package export

import (
	"context"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/scopes"
)

// followScopeRules brings into a child's scope whom its rules want there, and takes out whom only they brought. Where no row that they look at
// has changed it costs a statement for each table that they look at, and a few for all.
func followScopeRules(ctx context.Context, j *journal.Journal, peer string, o Options) error {
	p, err := journal.PeerByName(ctx, j.DB, peer, false)
	if err != nil || p == nil || p.Role != access.Child || o.Match != nil {
		return err
	}
	s, err := scopes.Open(ctx, j, scopes.Options{Read: j.DB})
	if err != nil || !s.HasOwners() || len(s.Rules(p.ID).Names) == 0 || s.Child(p.ID).All {
		return err
	}
	if _, err := capture.Seal(ctx, j, o.Wait); err != nil {
		return err
	}
	return scopes.Change(ctx, j, o.Wait, "", func(s *scopes.Store) error {
		f, err := s.Rule(p.ID, o.ScopeRules, false)
		if err != nil {
			return err
		}
		if err := s.Fill(p.ID, &f, false); err != nil {
			return err
		}
		if f.Trouble != nil {
			j.Warn("scope of %s: %v", peer, f.Trouble)
		}
		return nil
	})
}
