package trigger

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/omsync/omsync/schema"
)

// Writers names the application's own triggers on replicated tables that seem to write to another replicated table, or that call
// a procedure, each with what it is on and which tables its text names, by table and name. One that looks at @omsync_quiet is left out. They fire for rows that an import writes too,
// and may make there what the sender's made already.
func Writers(ctx context.Context, q schema.Querier, cat *schema.Catalogue) ([]string, error) {
	there, err := List(ctx, q, cat.Database)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, x := range there.triggers {
		if t := cat.Table(x.table); x.ours() || t == nil || !t.Replicated {
			continue
		}
		if to := writesTo(x, cat); len(to) > 0 {
			out = append(out, fmt.Sprintf("%s (%s on %s) writes to %s", x.name, x.event, x.table, strings.Join(to, ", ")))
		}
	}
	return out, nil
}

// writesTo returns the replicated tables that a trigger's text names after a verb that writes, but its own, and "a procedure" where it
// calls one.
func writesTo(x existing, cat *schema.Catalogue) []string {
	verb := regexp.MustCompile("(?i)\\b(?:(call)\\s|(?:insert(?:\\s+ignore)?(?:\\s+into)?|replace(?:\\s+into)?|update(?:\\s+ignore)?|delete\\s+from)\\s+(?:`?[\\w$]+`?\\.)?`?([\\w$]+)`?)")
	if strings.Contains(strings.ToLower(x.body), "@omsync_quiet") { // it tells who writes, as it is asked to
		return nil
	}
	var out []string
	for _, m := range verb.FindAllStringSubmatch(x.body, -1) {
		name := ""
		if t := cat.Table(m[2]); m[1] != "" {
			name = "a procedure"
		} else if t != nil && t.Replicated && !strings.EqualFold(t.Name, x.table) {
			name = t.Name
		}
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
