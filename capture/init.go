package capture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/omsync/omsync/capture/trigger"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Writers names the application's own triggers that may make rows, when an import writes, which the sender made too.
func Writers(ctx context.Context, db *sql.DB, cat *schema.Catalogue) ([]string, error) {
	return trigger.Writers(ctx, db, cat)
}

// Init makes the database a node: the omsync tables, the triggers, and a version for all that is there already. Called again it goes
// on where it stopped; under another name it is an error.
func Init(ctx context.Context, db *sql.DB, cat *schema.Catalogue, p *schema.Profile, name string, now func() time.Time, warn func(string, ...any)) (*journal.Journal, error) {
	if warn == nil {
		warn = func(string, ...any) {}
	}
	there, err := journal.NodeName(ctx, db)
	switch {
	case errors.Is(err, journal.ErrNone):
		if err := journal.Create(ctx, db, journal.Node{Name: name, Profile: p.Name, History: journal.Random()}); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case there != name:
		return nil, fmt.Errorf("this database is the node %s already: use that name, or omsync uninstall first", there)
	}
	if err := Upgrade(ctx, db, cat, p, name, warn, warn); err != nil {
		return nil, err
	}
	j, err := journal.Load(ctx, db, cat, p)
	if err != nil {
		return nil, err
	}
	j.Now, j.Warn = now, warn
	_, err = Reconcile(ctx, j, time.Minute)
	return j, err
}
