package apply

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Errors go to terminals, logs and cron's mail: they name tables, columns, uuids and the server's error numbers, and never
// a patient's data. What the server says of a value holds the value.

// rowError is about a row that cannot be applied, of an import that is all or nothing: it ends the import.
type rowError struct{ error }

func (e *rowError) Unwrap() error { return e.error }

// cause is why a row cannot be applied.
type cause struct {
	error
	code   journal.ReasonCode
	column string      // which one it is about; "": none
	table  *localTable // of a reference: that of the row which is not here; nil: not here either
	key    string      // and its key, canonical
}

func (c *cause) Unwrap() error { return c.error }

// maxReason is how many bytes the text of a reason has that is stored: types of columns stand in it, which may be long lists.
const maxReason = 1000

// reason is a cause as it is stored, of a row of a table.
func (c *cause) reason(l *localTable, key string) journal.Reason {
	text := fmt.Sprintf("%s, row %s: %v", l.Name, printable(l.Table, key), c.error)
	r := journal.Reason{Code: c.code, Column: c.column, AwaitedKey: c.key, Text: journal.Cut(text, maxReason)}
	if c.table != nil && c.table.journal != nil {
		r.AwaitedTable = c.table.journal.ID
	}
	return r
}

// setAside is the one function that every row comes to which the import has begun to write, or written, which turns out not to be
// applicable, and which may not wait at once (see refuseRow): the table does not take its values, or what it refers to is nowhere. It notes the row and returns nil: all callers go on
// without it, so that one try finds as many as it can. In the end the try is rolled back, and the next lets these rows wait from the
// start (see importer.wait). Where rows may not wait, it returns the error that ends the import.
func (w *writer) setAside(l *localTable, key string, why *cause) error {
	if w.aside == nil {
		return &rowError{fmt.Errorf("%s, row %s: %w", l.Name, printable(l.Table, key), why)}
	}
	if len(w.aside.late) >= MaxWaitingRows {
		return (&waitingRoom{rows: MaxWaitingRows + 1}).check(w.resolver.peer.Name)
	}
	w.aside.late[asideKey{l.Name, journal.Canonical(l.Table, key)}] = why
	return nil
}

// refuse returns what comes of a statement that wrote one row and that the server refused: the row is set aside if that was its fault.
func (w *writer) refuse(l *localTable, key string, err error) error {
	if !aboutRows(err) {
		return fmt.Errorf("write %s: %w", l.Name, err)
	}
	return w.setAside(l, key, notTaken(l, err))
}

// notTaken is the reason of a row that the table does not take.
func notTaken(l *localTable, err error) *cause {
	c := &cause{code: journal.WaitsForValue, column: namedColumn(l, err)}
	switch {
	case tooLarge(err):
		c.error = errTooLong
	case sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry:
		c.code, c.error = journal.WaitsForUnique, fmt.Errorf("another row here has the same value where only one may (%w): change one of them and import again", withoutValues(err))
	default:
		c.error = fmt.Errorf("the table does not take it: %s (%w)", inWords(l.Column(c.column), err), withoutValues(err))
	}
	return c
}

// inWords says what the server's error means; c is the column that it is about, nil if it names none.
func inWords(c *schema.Column, err error) string {
	what, takes, charset := "a value", "", ""
	if c != nil {
		what, takes, charset = "its "+c.Name, ", and the column is "+c.FullType, c.Charset
	}
	widen := takes + " here: widen the column as it is at the sender"
	switch number := sqldb.ErrorNumber(err); number {
	case sqldb.ErrDataTooLong:
		return what + " is too long" + widen
	case sqldb.ErrWrongString:
		return fmt.Sprintf("%s has characters that the column's character set %s does not hold: give it one that does, such as utf8mb4", what, charset)
	case sqldb.ErrOutOfRange:
		return what + " is out of range" + widen
	case sqldb.ErrTruncated, sqldb.ErrWrongValue, sqldb.ErrNoJSON:
		return what + " is none that the column takes" + takes + " here: make the column as it is at the sender"
	case sqldb.ErrBadNull:
		return what + " is NULL, and may not be here: let the column take NULL, as at the sender"
	case sqldb.ErrNoDefault:
		return what + " did not come, and has no default here: give the column a default, or have the sender's schema brought to this one"
	case sqldb.ErrCheckMariaDB, sqldb.ErrCheckMySQL:
		return "a CHECK of the table refuses it: change the value at the sender, or the CHECK here"
	case sqldb.ErrSignal:
		return "a trigger of the application refuses it: change the row at the sender, or the trigger here"
	case sqldb.ErrNoPartition:
		return "the table has no partition for it: add one"
	case sqldb.ErrTooBigRow:
		return "the row is too long for a page or for the redo log of this server: give the table ROW_FORMAT=DYNAMIC, or, where one value alone is long (MySQL 5.6), raise innodb_log_file_size to five times its length"
	}
	return "change it at the sender, or the table here"
}

// errTooLong says why a row that is longer than a statement cannot be written.
var errTooLong = errors.New("it is longer than one statement may be here: raise max_allowed_packet on this server, up to 52 MiB, and import again")

// changesValue returns the cause of a row with a value that is to be written and that the column does not keep as it is, or with more than a
// statement takes, as far as that can be told here; nil if there is none. What is too long is not copied into a statement first: it is as long as
// all memory that an import may have.
func (im *importer) changesValue(w *block, i int) *cause {
	written := im.written(w, i)
	if written.IsEmpty() {
		return nil
	}
	length := 0
	for at, c := range w.l.written {
		values := w.values[at]
		if values == nil || values[i] == nil || !written.Has(w.l.bits[at]) || w.l.bits[at] == 0 {
			continue
		}
		if length += len(values[i]); length > im.resolver.s.longest {
			return &cause{code: journal.WaitsForValue, column: c.Name, error: errTooLong}
		}
		if !c.Keeps(values[i]) {
			what := "would be cut or rounded"
			if c.Length > 0 {
				what = "is too long"
			}
			return &cause{code: journal.WaitsForValue, column: c.Name,
				error: fmt.Errorf("the table does not take it: its %s %s, and the column is %s here: widen the column as it is at the sender", c.Name, what, c.FullType)}
		}
	}
	return nil
}

// aboutRows reports whether the error of a statement that writes rows is about them: the connection is not lost, and no other
// transaction was in the way.
func aboutRows(err error) bool {
	switch sqldb.ErrorNumber(err) {
	case sqldb.ErrNone:
		return tooLarge(err)
	}
	return sqldb.IsAboutValues(err)
}

// refersNowhere is the reason of a row with a reference to one that is neither here nor in the batch. root is the table of that
// one, nil if it is not here.
func refersNowhere(c *schema.Column, root *localTable, key string) *cause {
	if root == nil {
		return refersFar(c, "")
	}
	return &cause{code: journal.WaitsForRow, column: c.Name, table: root, key: journal.Canonical(root.Table, key),
		error: fmt.Errorf("its %s refers to a row of %s that is neither here nor in the batch (%s): it was deleted here, or the sender may not pass it on; export to the sender first, and let it import that and export again",
			c.Name, root.Name, printable(root.Table, key))}
}

// refersFar is the reason of a row with a reference to one of a table that is not here, "" if nobody knows which.
func refersFar(c *schema.Column, table string) *cause {
	what := "a table"
	if table != "" {
		what = fmt.Sprintf("the table %.64q", table)
	}
	return &cause{code: journal.WaitsForSchema, column: c.Name, error: fmt.Errorf("its %s refers to a row of %s, which is not here: make the table here as it is at the sender, and both come in with the next files", c.Name, what)}
}

// refersNowhere is the reason of a row with a reference to one that is neither here nor in the batch, with what is known of that one.
func (v *resolver) refersNowhere(ctx context.Context, c *schema.Column, root *localTable, key string) (*cause, error) {
	if root == nil || root.journal == nil || !root.rules.ReturnsRows() && root.rules.Takes() {
		return refersNowhere(c, root, key), nil
	}
	canonical := journal.Canonical(root.Table, key)
	dead, err := journal.Tombstones(ctx, v.s.conn, root.journal.ID, []string{canonical}, v.j.Authors)
	if err != nil {
		return nil, err
	}
	t, ok := dead[canonical]
	if !ok {
		return refersNowhere(c, root, key), nil
	}
	why := "nothing is kept of it"
	if s := v.stayedAway[rowName{root, canonical}]; s != "" {
		why = s
	} else if c := v.aside.cause(root, canonical); c != nil { // it had come back in an earlier try, and could not stay
		why = c.Error()
	}
	if !root.rules.ReturnsRows() {
		why = "rows that give rights or are code come back by nobody's file"
	}
	out := refersNowhere(c, root, key)
	out.error = fmt.Errorf("its %s refers to a row of %s that was deleted here at %s UTC (%s), and %s: put that row back here with its uuid, or delete at the sender what refers to it; then import again",
		c.Name, root.Name, time.UnixMicro(t.Time).UTC().Format(time.DateTime), printable(root.Table, key), why)
	return out, nil
}

// beyondHorizon is the reason of a row with a stamp that is not taken.
func (im *importer) beyondHorizon(s merge.Stamp) *cause {
	at, now := time.UnixMicro(s.Time).UTC(), im.j.Now().UTC()
	years := float64(im.o.horizon()) / float64(merge.Year)
	limit := fmt.Sprintf("more than %.3g years later than the clock here (%s)", years, now.Format(time.DateTime))
	if im.rules.FromParent {
		limit = "later than any clock shows"
	}
	err := fmt.Errorf("%s sends it with the stamp %s by %s, %s: if the clock here is right, one was wrong there; what %[1]s sends is applied once its people have mended that",
		im.peer.Name, at.Format(time.RFC3339Nano), printableName(s.Author), limit)
	return &cause{error: err, code: journal.WaitsForStamp}
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

// named finds what a server's error names: `name`, 'name' or `database`.`table`.`name`. MariaDB calls the CHECK of a column `table.column`.
var named = regexp.MustCompile("(?:[Cc]olumn|[Ff]ield|for key|constraint|CONSTRAINT) (?:['`][^'`]+['`]\\.)*['`]([^'`]+)['`]")

// namedColumn returns the column of a table that a server's error names; "" if it names none.
func namedColumn(l *localTable, err error) string {
	if m := named.FindAllStringSubmatch(err.Error(), -1); m != nil && sqldb.ErrorNumber(err) != sqldb.ErrDuplicateEntry {
		name := m[len(m)-1][1]
		if c := l.Column(name[strings.LastIndex(name, ".")+1:]); c != nil {
			return c.Name
		}
	}
	return ""
}

// withoutValues keeps the number of a server's error, and the column or index that it names.
func withoutValues(err error) error {
	n := sqldb.ErrorNumber(err)
	if n == 0 {
		return err
	}
	text := fmt.Sprintf("server error %d", n)
	if m := named.FindAllStringSubmatch(err.Error(), -1); m != nil {
		name := m[len(m)-1][1]
		if n == sqldb.ErrDuplicateEntry { // MySQL 8 and later say the table too
			name = name[strings.LastIndex(name, ".")+1:]
		}
		text += ", " + name
	}
	return serverError{err, text}
}

// printable is a key as people can read it.
func printable(t *schema.Table, key string) string { return journal.PrintableKey(t, key) }
