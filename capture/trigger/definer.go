package trigger

import (
	"context"
	"fmt"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// definers tells of the accounts as whom triggers run whether they are there and may do what a trigger does. It asks the server once
// for each.
type definers struct {
	q        schema.Querier
	database string
	current  string // the session's own account
	known    map[string]bool
}

// can reports whether triggers of the account work, as far as the session's account can see. Its own do: what it may do is tried when a
// node is made. Of another that it cannot ask for, they count as broken if it may put its own in their place.
func (d *definers) can(ctx context.Context, account string) (bool, error) {
	if d.known == nil {
		rows, err := d.column(ctx, "SELECT CURRENT_USER()")
		if err != nil {
			return false, fmt.Errorf("ask for the session's account: %w", err)
		}
		d.current, d.known = strings.Join(rows, ""), map[string]bool{}
	}
	if account == d.current {
		return true, nil
	}
	able, asked := d.known[account]
	if asked {
		return able, nil
	}
	at := strings.LastIndexByte(account, '@')
	grants, err := d.column(ctx, "SHOW GRANTS FOR "+quoteText(account[:max(at, 0)])+"@"+quoteText(account[at+1:]))
	switch number := sqldb.ErrorNumber(err); {
	case err == nil:
		able = suffice(grants, d.database)
	case number == sqldb.ErrNoSuchGrant:
		able = false
	case number != sqldb.ErrNone: // it may not ask
		mayReplace, err := d.mayReplace(ctx)
		if err != nil {
			return false, err
		}
		able = !mayReplace
	default:
		return false, fmt.Errorf("ask for the account %s of the triggers: %w", account, err)
	}
	d.known[account] = able
	return able, nil
}

// suffice reports whether grants, as the server prints them, allow what a trigger does. Those of a role, or of a pattern, it does not
// see.
func suffice(grants []string, database string) bool {
	has := map[string]bool{}
	for _, g := range grants {
		what, on, ok := strings.Cut(strings.TrimPrefix(g, "GRANT "), " ON ")
		to := strings.Index(on, " TO ")
		if !ok || to < 0 {
			continue
		}
		if on = strings.ReplaceAll(on[:to], `\_`, "_"); on != "*.*" && on != schema.Quote(database)+".*" {
			continue
		}
		for w := range strings.SplitSeq(what, ",") {
			has[strings.TrimSpace(w)] = true
		}
	}
	return has["ALL PRIVILEGES"] || has["INSERT"] && has["TRIGGER"] && has["SELECT"]
}

// mayReplace reports whether the session's account may make triggers: a binary log can forbid it.
func (d *definers) mayReplace(ctx context.Context) (bool, error) {
	free, err := d.column(ctx, "SELECT NOT @@log_bin OR @@log_bin_trust_function_creators")
	if err != nil {
		return false, fmt.Errorf("look at the binary log's settings: %w", err)
	}
	if strings.Join(free, "") == "1" {
		return true, nil
	}
	grants, err := d.column(ctx, "SHOW GRANTS")
	return isSuper(grants), err
}

func isSuper(grants []string) bool {
	for _, grant := range grants {
		what, rest, _ := strings.Cut(grant, " ON ")
		if strings.HasPrefix(rest, "*.*") && (strings.Contains(what, "ALL PRIVILEGES") || strings.Contains(what, "SUPER")) {
			return true
		}
	}
	return false
}

// column returns the first column of a query with one.
func (d *definers) column(ctx context.Context, query string) (out []string, err error) {
	rows, err := d.q.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
