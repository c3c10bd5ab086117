package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/omsync/omsync/scope"
)

// Scope is [scope]: what children with a scope may do, and the rules that may fill scopes, by name.
type Scope struct {
	Search bool                  `toml:"search"` // clinics may search for patients by name and day of birth
	Rules  map[string]scope.Rule `toml:"rule"`
}

// Check returns an error for a rule that cannot be meant.
func (s *Scope) Check() error {
	for _, name := range slices.Sorted(maps.Keys(s.Rules)) {
		if err := s.Rules[name].Check(); err != nil {
			return fmt.Errorf("scope.rule.%s: %w", name, err)
		}
	}
	return nil
}
