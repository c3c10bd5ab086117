package scoping

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/scopes"
)

// SetRule has a rule of the configuration fill a child's scope from now on, or no more, and does what that changes. With dry nothing changes,
// and it says what would; then [Look] will do.
func (s *Session) SetRule(ctx context.Context, name, rule string, on, dry bool) (scopes.Followed, error) {
	p, err := s.scoped(ctx, name)
	if err != nil {
		return scopes.Followed{}, err
	}
	kept := s.store.Rules(p.ID)
	names := slices.DeleteFunc(slices.Clone(kept.Names), func(n string) bool { return n == rule })
	if _, is := s.n.Scope.Rules[rule]; on && !is {
		known := slices.Sorted(maps.Keys(s.n.Scope.Rules))
		return scopes.Followed{}, failure.Hinted(fmt.Errorf("the configuration has no rule %q", rule), "omsync.toml names rules as [scope.rule.NAME]; it has: %s", strings.Join(append(known, "no other"), ", "))
	} else if !on && len(names) == len(kept.Names) {
		return scopes.Followed{}, fmt.Errorf("the rule %q does not fill the scope of %s", rule, name)
	}
	if on {
		names = append(names, rule)
	}
	kept.Names = names
	s.store.SetRules(p.ID, kept)
	f, err := s.store.Rule(p.ID, s.n.Scope.Rules, true)
	if err == nil {
		err = f.Trouble
	}
	if err == nil && !dry {
		err = s.store.Fill(p.ID, &f, true)
	}
	return f, err
}
