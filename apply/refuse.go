package apply

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Errors go to terminals, logs and cron's mail: they name tables, columns, uuids and the server's error numbers, and never
// a patient's data. What the server says of a value holds the value.

// rowError is about a row that cannot be applied. It ends the import: see setAside.
type rowError struct{ error }

func (e *rowError) Unwrap() error { return e.error }

// setAside is the one function that every row comes to which cannot be applied: the table does not take its values, or what it
// refers to is nowhere. Today there is nowhere to put it, and the error that setAside returns ends the import: the file is refused
// as a whole, and its header alone counts. To let such a row wait until it can be applied, keep it here and return nil: all callers
// go on without the row then. What the import did for the row before has to be undone with it.
//
// The row is not written yet where writeStatement, updateOne, deferRow or setAsideKeyless calls. The import has then noted of it:
//   - its count, but not yet where setAsideKeyless calls;
//   - of a new row, that it is to be inserted, in writes.insert, which write looks at afterwards;
//   - its conflicts, in writer.conflicts or already in omsync_conflict;
//   - of a row that is here, its versions in writes.entries, writes.old and writes.changes. If the row was deferred, they are in
//     the journal already, and columns with unique values hold what vacateUnique gave them;
//   - its references that are to be filled in, in writer.patches: of a row that is here, and of no other.
//
// The row is already written, without the reference, where fillSome or filled calls. Its versions are in the journal then, or
// it has the default version that its import gives the table; the tombstone of a row that came back is gone; other rows may
// refer to it; and it may have more references in writer.patches.
func (w *writer) setAside(l *localTable, key string, reason error) error {
	return &rowError{fmt.Errorf("%s, row %s: %w", l.Name, printable(l.Table, key), reason)}
}

// refuse returns what comes of a statement that wrote one row and that the server refused: the row is set aside if that was its fault.
func (w *writer) refuse(l *localTable, key string, err error) error {
	if !aboutRows(err) {
		return fmt.Errorf("write %s: %w", l.Name, err)
	}
	return w.setAside(l, key, notTaken(err))
}

// notTaken is the reason of a row that the table does not take.
func notTaken(err error) error {
	switch {
	case tooLarge(err):
		return errors.New("it is longer than one statement may be here: raise max_allowed_packet on this server, up to 52 MiB, and import again")
	case sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry:
		return fmt.Errorf("another row here has the same value where only one may (%w): change one of them and import again", withoutValues(err))
	}
	return fmt.Errorf("the table does not take it: %w", withoutValues(err))
}

// aboutRows reports whether the error of a statement that writes rows is about them: the connection is not lost, and no other
// transaction was in the way.
func aboutRows(err error) bool {
	switch sqldb.ErrorNumber(err) {
	case sqldb.ErrNone:
		return tooLarge(err)
	case sqldb.ErrServerGone, sqldb.ErrServerLost:
		return false
	}
	return !sqldb.IsLockConflict(err)
}

// refersNowhere is the reason of a row with a reference to one that is neither here nor in the batch. root is the table of that
// one, nil if it is not here.
func refersNowhere(c *schema.Column, root *localTable, key string) error {
	what, which := "a table that is not here", "unknown"
	if root != nil {
		what, which = root.Name, printable(root.Table, key)
	}
	return fmt.Errorf("its %s refers to a row of %s that is neither here nor in the batch (%s): it was deleted here, or the sender may not pass it on; export to the sender first, and let it import that and export again",
		c.Name, what, which)
}

// refersNowhere is the reason of a row with a reference to one that is neither here nor in the batch, with what is known of that one.
func (v *resolver) refersNowhere(ctx context.Context, c *schema.Column, root *localTable, key string) error {
	if root == nil || root.journal == nil || !root.rules.ReturnsRows() && root.rules.Takes() {
		return refersNowhere(c, root, key)
	}
	canonical := journal.Canonical(root.Table, key)
	dead, err := journal.Tombstones(ctx, v.s.conn, root.journal.ID, []string{canonical}, v.j.Authors)
	if err != nil {
		return err
	}
	t, ok := dead[canonical]
	if !ok {
		return refersNowhere(c, root, key)
	}
	why := v.stayedAway[rowName{root, canonical}]
	if why == "" {
		why = "nothing is kept of it"
	}
	if !root.rules.ReturnsRows() {
		why = "rows that give rights or are code come back by nobody's file"
	}
	return fmt.Errorf("its %s refers to a row of %s that was deleted here at %s UTC (%s), and %s: put that row back here with its uuid, or delete at the sender what refers to it; then import again",
		c.Name, root.Name, time.UnixMicro(t.Time).UTC().Format(time.DateTime), printable(root.Table, key), why)
}

// beyondHorizon is the reason of a row with a stamp that is not taken.
func (im *importer) beyondHorizon(s merge.Stamp) error {
	at, now := time.UnixMicro(s.Time).UTC(), im.j.Now().UTC()
	years := float64(im.o.horizon()) / float64(merge.Year)
	limit := fmt.Sprintf("more than %.3g years later than the clock here (%s)", years, now.Format(time.DateTime))
	if im.rules.FromParent {
		limit = "later than any clock shows"
	}
	return fmt.Errorf("%s sends it with the stamp %s by %s, %s: if the clock here is right, one was wrong there; what %[1]s sends is applied once its people have mended that",
		im.peer.Name, at.Format(time.RFC3339Nano), printableName(s.Author), limit)
}

// printableName is the name of an author, which is another node's word.
func printableName(name string) string {
	if journal.IsName(name) {
		return name
	}
	return "?"
}

// tooLarge reports whether a statement was longer than the server takes.
func tooLarge(err error) bool {
	return errors.Is(err, mysql.ErrPktTooLarge) || sqldb.ErrorNumber(err) == sqldb.ErrPacketTooLarge
}

// serverError is a server's error without the values that its text holds.
type serverError struct {
	error
	text string
}

func (e serverError) Error() string { return e.text }
func (e serverError) Unwrap() error { return e.error }

var named = regexp.MustCompile("(?:column|for key|constraint) ['`]([^'`]+)['`]")

// withoutValues keeps the number of a server's error, and the column or index that it names.
func withoutValues(err error) error {
	n := sqldb.ErrorNumber(err)
	if n == 0 {
		return err
	}
	text := fmt.Sprintf("server error %d", n)
	if m := named.FindAllStringSubmatch(err.Error(), -1); m != nil {
		text += ", " + m[len(m)-1][1]
	}
	return serverError{err, text}
}

// printable is a key as people can read it.
func printable(t *schema.Table, key string) string { return journal.PrintableKey(t, key) }
