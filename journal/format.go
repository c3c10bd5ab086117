package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
)

// Format is the number of the tables' layout and of the records in them. Formats before it are upgraded, see [Upgrade]; later ones
// are refused. Of omsync_node the columns id, name and format are the same in every format.
const Format = 7

// underWay plus a format stands in place of the format while its tables are brought to the next: no omsync takes them for its own.
const underWay = 1000

// FormatError means that the omsync tables are of another format than this omsync works with.
type FormatError struct {
	Stored int // omsync_node.format
}

func (e *FormatError) Error() string {
	switch {
	case unknown(e.Stored):
		return fmt.Sprintf("omsync_node.format is %d in this database, which no omsync writes: restore the database from a backup", e.Stored)
	case newer(e.Stored):
		return fmt.Sprintf("the omsync tables in this database are of format %d and this omsync knows formats up to %d: "+
			"install the newer omsync that wrote them", base(e.Stored), Format)
	case e.Stored >= underWay:
		return fmt.Sprintf("an upgrade of the omsync tables in this database to format %d was not finished: "+
			"run omsync sync (or init, import, export, serve), which goes on with it", Format)
	}
	return fmt.Sprintf("the omsync tables in this database are of format %d, which an earlier omsync wrote: "+
		"run omsync sync (or init, import, export, serve), which upgrades them to format %d", e.Stored, Format)
}

// Old reports whether [Upgrade] brings the tables to this omsync's format.
func (e *FormatError) Old() bool {
	return !unknown(e.Stored) && !newer(e.Stored) && e.Stored != Format
}

// base returns the format, without the sign that it is being upgraded.
func base(stored int) int {
	if stored >= underWay {
		return stored - underWay
	}
	return stored
}

// unknown reports whether no omsync wrote this format.
func unknown(stored int) bool { return base(stored) < 1 }

// newer reports whether a later omsync wrote the tables, or is upgrading them to its format.
func newer(stored int) bool {
	return base(stored) > Format || stored >= underWay && base(stored) == Format
}

// stored reads the name of the node and the format, which stand at the same place in every format; ErrNone if there is no node.
func stored(ctx context.Context, q sqldb.DB) (name string, format int, err error) {
	found := false
	err = sqldb.Each(ctx, q, "SELECT name, format FROM omsync_node WHERE id = 1", func(r []sql.RawBytes) error {
		name, format, found = string(r[0]), int(sqldb.Int(r[1])), true
		return nil
	})
	switch {
	case sqldb.ErrorNumber(err) == sqldb.ErrNoSuchTable || err == nil && !found:
		return "", 0, ErrNone
	case err != nil:
		return "", 0, fmt.Errorf("read omsync_node: %w", err)
	}
	return name, format, nil
}

// StoredFormat returns the name of the node and the format of its tables, whatever omsync wrote them; [ErrNone] if there is no node. Work
// with them wants [Format], and [FormatError] says of others what is to be done.
func StoredFormat(ctx context.Context, q sqldb.DB) (name string, format int, err error) {
	return stored(ctx, q)
}

// HalfUpgraded reports whether an upgrade of tables with a stored format was begun and not finished.
func HalfUpgraded(stored int) bool { return stored >= underWay }
