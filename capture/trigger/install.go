package trigger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Install makes the triggers of all tables in cat that are replicated, and drops those of ours that are of another text or on
// tables that should have none. metas are the journal's tables: every replicated table must be there; a column without
// a bit is not watched. made names the tables that got a trigger, by name, also when there is an error.
//
// Where a table may have several triggers of one kind (MySQL 5.7, MariaDB 10.2) the new one is there before the old one
// goes, and a change in between is logged twice; elsewhere the table is locked for writing meanwhile. So no change is
// missed where one was watched before.
//
// c must not be in a transaction: CREATE TRIGGER would commit it. A table in use is tried again for about half a minute.
// The account needs the TRIGGER privilege, and where the server keeps a binary log without
// log_bin_trust_function_creators, SUPER; it becomes the triggers' definer and must stay for as long as they do.
func Install(ctx context.Context, c *sql.Conn, cat *schema.Catalogue, metas []*journal.Table) (made []string, err error) {
	there, err := List(ctx, c, cat.Database)
	if err != nil {
		return nil, err
	}
	want, err := Want(cat, metas)
	if err != nil {
		return nil, err
	}
	plans, err := planTables(ctx, c, want, there)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(plans, tablePlan.needed) {
		return nil, nil
	}
	s, err := openInstaller(ctx, c, cat.Database)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstError(err, s.close(ctx)) }()
	if err := s.checkReady(ctx); err != nil {
		return nil, err
	}
	for _, w := range plans {
		if !w.needed() {
			continue
		}
		if s.several {
			err = s.addThenDrop(ctx, w)
		} else {
			err = s.dropThenAdd(ctx, w)
		}
		if err != nil {
			return made, err
		}
		if len(w.missing) > 0 {
			made = append(made, w.table)
		}
	}
	return made, nil
}

// Compare compares the triggers in the database with those that Install would make. missing are tables on which a
// trigger is not there at all, so that changes went by; outdated are those with a trigger of another text or one too
// many. A table can be both. It needs the TRIGGER privilege: without it triggers cannot be seen and all are missing.
func Compare(ctx context.Context, q schema.Querier, cat *schema.Catalogue, metas []*journal.Table) (missing, outdated []string, err error) {
	there, err := List(ctx, q, cat.Database)
	if err != nil {
		return nil, nil, err
	}
	want, err := Want(cat, metas)
	if err != nil {
		return nil, nil, err
	}
	found, err := Look(ctx, q, want, there)
	for _, f := range found {
		if f.Missing {
			missing = append(missing, f.Table)
		}
		if f.Outdated {
			outdated = append(outdated, f.Table)
		}
	}
	return missing, outdated, err
}

// Remove drops every trigger of ours in database: those named omsync_*. c must not be in a transaction.
func Remove(ctx context.Context, c *sql.Conn, database string) (err error) {
	all, err := List(ctx, c, database)
	if err != nil {
		return err
	}
	there := slices.DeleteFunc(all.triggers, func(x existing) bool { return !x.ours() })
	if len(there) == 0 {
		return nil
	}
	s, err := openInstaller(ctx, c, database)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, s.close(ctx)) }()
	for _, x := range there {
		if err := s.drop(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

// existing is a trigger in the database, anybody's.
type existing struct {
	name, table string
	event       string // "AFTER INSERT" and so on
	definer     string // the account as whom it runs, as user@host
	body        string
	created     string // when; "" where the server does not say
}

func (x existing) ours() bool { return strings.HasPrefix(x.name, triggerPrefix) }

// named reports whether the trigger stands for one that should be there.
func (x existing) named(t trigger) bool { return x.name == t.Name || x.name == t.Name+otherSuffix }

// is reports whether the trigger is what it is called.
func (x existing) is(t trigger) bool {
	return x.named(t) && x.event == t.Event && strings.TrimSpace(x.body) == strings.TrimSpace(t.body)
}

// tablePlan is what is to be done on one table.
type tablePlan struct {
	table   string
	missing []trigger
	stale   []existing
	others  []existing // the application's
	there   []existing // all
	altered bool       // a trigger of ours has another text than its name says: changes may have gone by
}

func (w tablePlan) needed() bool { return len(w.missing)+len(w.stale) > 0 }

// planTables returns what is to be done on each table, by name of table.
func planTables(ctx context.Context, q schema.Querier, want *Wanted, there *Listing) ([]tablePlan, error) {
	cat := want.cat
	on, taken := map[string][]existing{}, map[string]bool{}
	for _, x := range there.triggers {
		taken[x.name] = true
		if t := cat.Table(x.table); t != nil {
			x.table = t.Name
		}
		on[x.table] = append(on[x.table], x)
	}
	able := definers{q: q, database: cat.Database}
	var out []tablePlan
	for i, t := range cat.Tables {
		w, err := planTable(ctx, &able, t.Name, want.on[i], on[t.Name], taken)
		if err != nil {
			return nil, err
		}
		w.there = on[t.Name]
		out = append(out, w)
	}
	return out, nil
}

// planTable compares the triggers that are on a table with those that it should have. One of the right name counts if its text is right
// and the account as whom it runs can do what it does: without that account each write of the application would fail.
func planTable(ctx context.Context, able *definers, table string, want []trigger, there []existing, taken map[string]bool) (tablePlan, error) {
	w := tablePlan{table: table}
	have := map[string]bool{}
	for _, x := range there {
		if !x.ours() {
			w.others = append(w.others, x)
			continue
		}
		i := slices.IndexFunc(want, x.named)
		good := i >= 0 && x.is(want[i]) && !have[want[i].Name]
		if i >= 0 && !x.is(want[i]) {
			w.altered = true
		}
		if good {
			var err error
			if good, err = able.can(ctx, x.definer); err != nil {
				return w, err
			}
		}
		if good {
			have[want[i].Name] = true
		} else {
			w.stale = append(w.stale, x)
		}
	}
	for _, x := range want {
		if have[x.Name] {
			continue
		}
		if taken[x.Name] {
			x = x.other()
		}
		w.missing = append(w.missing, x)
	}
	return w, nil
}

// Listing is all triggers of a database that an account can see, anybody's, by table and name.
type Listing struct{ triggers []existing }

// List returns the triggers of a database.
func List(ctx context.Context, q schema.Querier, database string) (*Listing, error) {
	rows, err := q.QueryContext(ctx, `SELECT trigger_name, event_object_table, CONCAT(action_timing, ' ', event_manipulation), definer, IFNULL(action_statement, ''), IFNULL(created, '')
		FROM information_schema.triggers WHERE event_object_schema = ? ORDER BY event_object_table, trigger_name`, database)
	if err != nil {
		return nil, fmt.Errorf("list the triggers of database %s: %w", database, err)
	}
	defer rows.Close()
	out := &Listing{}
	for rows.Next() {
		var x existing
		var definer sql.NullString
		if err := rows.Scan(&x.name, &x.table, &x.event, &definer, &x.body, &x.created); err != nil {
			return nil, err
		}
		if !definer.Valid {
			return nil, fmt.Errorf("list the triggers of database %s: omsync's account lacks the right TRIGGER there, without which the application cannot write either: GRANT TRIGGER ON %s.* TO it (omsync doctor names it)", database, schema.Quote(database))
		}
		x.definer = definer.String
		out.triggers = append(out.triggers, x)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the triggers of database %s: %w", database, err)
	}
	return out, nil
}
