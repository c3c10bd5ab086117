package journal

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
)

// copySuffix is what the name of a table's copy ends in, while its columns get new names.
const copySuffix = "_copy"

// added stands in place of a column's old name where there was none: it is NULL in the rows that are there.
const added = "+"

// rename gives the columns of a table their new names; was maps them to the old ones, or to [added]. An account that may not ALTER (omsync's needs
// not) has the table copied and copied back instead.
func (u *upgrade) rename(ctx context.Context, l layout, was map[string]string) error {
	now, err := u.columns(ctx, l.name)
	if err != nil {
		return err
	}
	copied, err := u.columns(ctx, l.name+copySuffix)
	if err != nil {
		return err
	}
	if len(now) == 0 && len(copied) == 0 {
		return fmt.Errorf("the table %s is not there: restore it from a backup", l.name)
	}
	if isOld(now, was) {
		// A copy beside it is of an earlier try, perhaps from before a backup was restored: to be copied back it would have to be alone.
		err := sqldb.Exec(ctx, u.c, "DROP TABLE IF EXISTS "+l.name+copySuffix, alter(l, was))
		if err == nil || sqldb.ErrorNumber(err) != sqldb.ErrTableAccessDenied {
			return err
		}
		if err := u.copyAway(ctx, l, was); err != nil {
			return err
		}
		now, copied = nil, map[string]bool{"": true}
	}
	if len(copied) == 0 {
		return nil
	}
	return u.copyBack(ctx, l, len(now) > 0)
}

// isOld reports whether columns have their old names, and those to be added are not there.
func isOld(columns map[string]bool, was map[string]string) bool {
	for name, old := range was {
		if old == added && columns[name] || old != added && !columns[old] {
			return false
		}
	}
	return len(columns) > 0
}

// alter returns the statement that renames columns: on every server that omsync knows one that touches no row, unless it adds some.
func alter(l layout, was map[string]string) string {
	var changes []string
	last := "" // the column before
	for _, d := range l.definitions() {
		switch old := was[d.name]; old {
		case "":
		case added:
			changes = append(changes, "ADD COLUMN "+d.name+" "+d.rest+" AFTER "+last)
		default:
			changes = append(changes, "CHANGE "+old+" "+d.name+" "+d.rest)
		}
		last = d.name
	}
	return "ALTER TABLE " + l.name + " " + strings.Join(changes, ", ")
}

// copyAway makes the table's copy, with the new names, and drops the table. Until then the copy counts for nothing.
func (u *upgrade) copyAway(ctx context.Context, l layout, was map[string]string) error {
	var from, to []string
	for _, d := range l.definitions() {
		old := cmp.Or(was[d.name], d.name)
		if old != added {
			from, to = append(from, old), append(to, d.name)
		}
	}
	other := l.name + copySuffix
	err := sqldb.Exec(ctx, u.c, l.create(other),
		fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s", other, strings.Join(to, ", "), strings.Join(from, ", "), l.name),
		"DROP TABLE "+l.name)
	if err != nil {
		return fmt.Errorf("copy %s: %w", l.name, err)
	}
	return nil
}

// copyBack makes the table of its copy, and drops that. One statement fills it: if there is a row in it, all are.
func (u *upgrade) copyBack(ctx context.Context, l layout, there bool) error {
	if !there {
		if err := sqldb.Exec(ctx, u.c, l.create(l.name)); err != nil {
			return fmt.Errorf("make %s: %w", l.name, err)
		}
	}
	copied, err := u.columns(ctx, l.name+copySuffix) // an earlier omsync may have begun: what came later is not in its copy
	if err != nil {
		return err
	}
	var names []string
	for _, d := range l.definitions() {
		if copied[d.name] {
			names = append(names, d.name)
		}
	}
	list, other := strings.Join(names, ", "), l.name+copySuffix
	filled, err := u.any(ctx, "SELECT 1 FROM "+l.name+" LIMIT 1")
	if err == nil && !filled {
		err = sqldb.Exec(ctx, u.c, fmt.Sprintf("INSERT INTO %s (%s) SELECT %[2]s FROM %[3]s", l.name, list, other))
	}
	if err == nil {
		err = sqldb.Exec(ctx, u.c, "DROP TABLE "+other)
	}
	if err != nil {
		return fmt.Errorf("copy %s back: %w", l.name, err)
	}
	return nil
}
