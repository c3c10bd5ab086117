package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// PolicyRule is a line of the section [policy].
type PolicyRule struct {
	Name   string // as it is written: TABLE or TABLE.COLUMN, with * for any run of characters
	Policy merge.Policy

	table, column string
}

// ParsePolicyRule reads a name and a policy.
func ParsePolicyRule(name, policy string) (PolicyRule, error) {
	p, ok := merge.ParsePolicy(policy)
	if !ok {
		return PolicyRule{}, fmt.Errorf(`policy of %s is %q: use "newest", "parent" or "child"`, name, policy)
	}
	table, column, has := strings.Cut(name, ".")
	if table == "" || has && column == "" || strings.Contains(column, ".") {
		return PolicyRule{}, fmt.Errorf("policy of %q: name a table, or a table and a column as TABLE.COLUMN", name)
	}
	return PolicyRule{name, p, table, column}, nil
}

// PolicyRules returns the lines of the section [policy], by their names. A column may be written in quotes, "person.gender", or without.
func (c *Config) PolicyRules() ([]PolicyRule, error) {
	var out []PolicyRule
	var errs []error
	add := func(name string, policy any) {
		s, ok := policy.(string)
		if !ok {
			errs = append(errs, fmt.Errorf(`policy of %s: use "newest", "parent" or "child"`, name))
			return
		}
		r, err := ParsePolicyRule(name, s)
		out, errs = append(out, r), append(errs, err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Policy)) {
		columns, ok := c.Policy[name].(map[string]any)
		if !ok {
			add(name, c.Policy[name])
			continue
		}
		for _, column := range slices.Sorted(maps.Keys(columns)) {
			add(name+"."+column, columns[column])
		}
	}
	slices.SortFunc(out, func(a, b PolicyRule) int { return cmp.Compare(a.Name, b.Name) })
	return out, errors.Join(errs...)
}

// PolicyOf returns what decides a conflict in a column, by the most specific of the rules, and that rule's name: one for a column before one
// for a table, one without * before one with. The name is empty if there is no rule: the later value wins.
func PolicyOf(rules []PolicyRule, table, column string) (merge.Policy, string) {
	var best *PolicyRule
	for i, r := range rules {
		if !schema.Matches(r.table, table) || r.column != "" && !schema.Matches(r.column, column) {
			continue
		}
		if best == nil || comparePolicies(r, *best) > 0 {
			best = &rules[i]
		}
	}
	if best == nil {
		return merge.Newest, ""
	}
	return best.Policy, best.Name
}

// comparePolicies compares how specific two rules are that fit one column.
func comparePolicies(a, b PolicyRule) int {
	named := func(r PolicyRule) int {
		if r.column == "" {
			return -1
		}
		return schema.Specificity(r.column)
	}
	return cmp.Or(cmp.Compare(named(a), named(b)), cmp.Compare(schema.Specificity(a.table), schema.Specificity(b.table)), cmp.Compare(b.Name, a.Name))
}

// checkPolicies returns an error for a rule that fits no column of the database: a spelling error would pass unseen.
func (c *Config) checkPolicies(cat *schema.Catalogue) error {
	rules, err := c.PolicyRules()
	if err != nil {
		return err
	}
	for _, r := range rules {
		if why := r.Misses(cat); why != "" {
			return fmt.Errorf("%s/%s has a policy for %s", c.Home, Name, why)
		}
	}
	return nil
}

// Misses returns of what a rule is that the database does not have; "" if it has something that the rule fits.
func (r PolicyRule) Misses(cat *schema.Catalogue) string {
	fits := false
	for _, t := range cat.Tables {
		if !schema.Matches(r.table, t.Name) {
			continue
		}
		fits = true
		if r.column == "" || slices.ContainsFunc(t.Columns, func(k *schema.Column) bool { return schema.Matches(r.column, k.Name) }) {
			return ""
		}
	}
	if fits {
		return fmt.Sprintf("the column %s, which the database does not have", r.Name)
	}
	return fmt.Sprintf("the table %s, which the database does not have", r.table)
}
