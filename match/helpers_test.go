package match_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/match"
)

func text(s string) *string { return &s }

// parts are texts; "NULL" is NULL.
func parts(values ...string) match.Parts {
	var out match.Parts
	for _, v := range values {
		if v == "NULL" {
			out = append(out, nil)
		} else {
			out = append(out, text(v))
		}
	}
	return out
}

// named is a table whose rows have a name, with keys of the form key=name.
func named(table string, certain bool, rows ...string) *match.Table {
	t := &match.Table{Name: table, Root: table, Keys: []match.Key{{Name: "name", Refs: []string{""}, Certain: certain}}}
	for _, r := range rows {
		key, name, _ := strings.Cut(r, "=")
		t.Rows = append(t.Rows, match.Row{Key: key, Label: name, Natural: [][]match.Parts{{parts(name)}}})
	}
	return t
}

func side(node string, tables ...*match.Table) *match.Side {
	return &match.Side{Node: node, Tables: tables}
}

// lines returns the lines of a report as texts: state here~there.
func lines(r *match.Report) (out []string) {
	for _, list := range [][]match.Line{r.Matched, r.Proposed, r.Collisions, r.OnlyHere, r.OnlyThere} {
		for _, l := range list {
			out = append(out, fmt.Sprintf("%s %s %s~%s", l.Table, l.State, l.Here, l.There))
		}
	}
	slices.Sort(out)
	return out
}

func report(here, there *match.Side, decisions ...match.Decision) *match.Report {
	return match.Compare(here, there, nil, decisions).Report()
}

func byTable(r *match.Report, table string) match.Count {
	for _, c := range r.Tables {
		if c.Table == table {
			return c
		}
	}
	return match.Count{}
}

func sortedCopy[T any](list []T, by func(T) string) []T {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b T) int { return cmp.Compare(by(a), by(b)) })
	return out
}
