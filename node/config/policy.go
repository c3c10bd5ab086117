package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

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
	sortPolicies(out)
	return out, errors.Join(errs...)
}

// StoredPolicyRules is PolicyRules of the file as it is now, which may have changed since it was read.
func (c *Config) StoredPolicyRules() ([]PolicyRule, error) {
	now, err := Read(c.Home)
	if err != nil {
		return nil, err
	}
	return now.PolicyRules()
}

func sortPolicies(rules []PolicyRule) {
	slices.SortFunc(rules, func(a, b PolicyRule) int { return cmp.Compare(a.Name, b.Name) })
}

// PolicyOf returns what decides a conflict in a column, by the most specific of the rules, and that rule's name: one for a column before one
// for a table, one without * before one with. The name is empty if there is no rule: the later value wins.
func PolicyOf(rules []PolicyRule, table, column string) (merge.Policy, string) {
	var best *PolicyRule
	for i, r := range rules {
		if !r.Fits(table, column) {
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

// Fits reports whether a rule is about a column.
func (r PolicyRule) Fits(table, column string) bool {
	return schema.Matches(r.table, table) && (r.column == "" || schema.Matches(r.column, column))
}

// Misses returns of what a rule is that the database does not have, with names that it may have meant; "" if it has something that the rule
// fits.
func (r PolicyRule) Misses(cat *schema.Catalogue) string {
	var tables, columns []string
	fits := false
	for _, t := range cat.Tables {
		tables = append(tables, t.Name)
		if !schema.Matches(r.table, t.Name) {
			continue
		}
		fits = true
		for _, c := range t.Columns {
			if r.Fits(t.Name, c.Name) {
				return ""
			}
			columns = append(columns, c.Name)
		}
	}
	if fits {
		return fmt.Sprintf("the column %s, which the database does not have%s", r.Name, meant(r.column, columns))
	}
	return fmt.Sprintf("the table %s, which the database does not have%s", r.table, meant(r.table, tables))
}

// meant asks whether names that are near to one were meant: the nearest three; "" if none is near.
func meant(name string, names []string) string {
	name = strings.ToLower(name)
	distance := func(other string) int {
		other = strings.ToLower(other)
		d := levenshtein.ComputeDistance(name, other)
		if strings.HasPrefix(other, name) || strings.HasPrefix(name, other) {
			d = min(d, 2) // a part of it, or more than it
		}
		return d
	}
	var near []string
	for _, other := range names {
		if distance(other) <= 2 && len(name) > 2 {
			near = append(near, other)
		}
	}
	slices.SortFunc(near, func(a, b string) int { return cmp.Or(cmp.Compare(distance(a), distance(b)), cmp.Compare(a, b)) })
	near = slices.Compact(near)
	if len(near) == 0 {
		return ""
	}
	return fmt.Sprintf(": did you mean %s?", strings.Join(near[:min(len(near), 3)], " or "))
}
