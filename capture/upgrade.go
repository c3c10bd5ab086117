package capture

import (
	"context"
	"database/sql"
	"time"

	"github.com/omsync/omsync/capture/trigger"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Upgrade brings the omsync tables and triggers of an earlier omsync to this one's form, in place, while the application may go on
// writing; one that was interrupted it goes on with. Where there is nothing to do it reads one row. The caller must be the
// only omsync that changes the database, self the name of its node. say is told before anything is changed, warn of changes that
// may have gone by unseen. Errors: those of [journal.Upgrade], and of the making of triggers: until they can be made, what the old
// ones write is kept.
func Upgrade(ctx context.Context, db *sql.DB, cat *schema.Catalogue, p *schema.Profile, self string, say, warn func(string, ...any)) error {
	_, err := journal.Upgrade(ctx, db, UpgradeOptions(db, cat, p, self, say, warn))
	return err
}

// UpgradeOptions returns what [journal.Upgrade] needs to replace the triggers.
func UpgradeOptions(db *sql.DB, cat *schema.Catalogue, p *schema.Profile, self string, say, warn func(string, ...any)) journal.UpgradeOptions {
	o := journal.UpgradeOptions{Self: self, Say: say}
	o.Triggers = func(ctx context.Context, missed bool) error {
		j := &journal.Journal{DB: db, Self: self, Catalogue: cat, Profile: p, Now: time.Now, Warn: warn}
		if err := j.Reload(ctx, db); err != nil {
			return err
		}
		f, err := reconcile(ctx, &reconciler{j: j, missed: missed}, time.Minute)
		if err != nil {
			return err
		}
		for _, t := range f.Missed {
			warn("the triggers of %s were missing: changes made meanwhile were not seen, so the whole table is sent again", t)
		}
		return nil
	}
	o.DropTriggers = func(ctx context.Context) error {
		c, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		return trigger.Remove(ctx, c, cat.Database)
	}
	return o
}
