package apply

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Errors go to terminals, logs and cron's mail: they name tables, columns, uuids and the server's error numbers, and never
// a patient's data. What the server says of a value holds the value.

// rowError is about a row that cannot be applied.
type rowError struct{ error }

func (e *rowError) Unwrap() error { return e.error }

// refused is the error about a row that the table does not take.
func (x *run) refused(l *local, r *row, err error) error {
	key := printable(l.Table, r.key)
	switch {
	case tooLarge(err):
		return &rowError{fmt.Errorf("%s, row %s: it is longer than one statement may be here: raise max_allowed_packet on this server, and import again", l.Name, key)}
	case sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry:
		return &rowError{fmt.Errorf("%s, row %s: another row here has the same value where only one may (%w): change one of them and import again", l.Name, key, withoutValues(err))}
	}
	return &rowError{fmt.Errorf("%s, row %s: the table does not take it: %w", l.Name, key, withoutValues(err))}
}

// missing is the error about a reference to a row that is neither here nor in the batch.
func (x *run) missing(l *local, key string, c *schema.Column, root *local, to string) error {
	what, which := "a table that is not here", "unknown"
	if root != nil {
		what, which = root.Name, printable(root.Table, to)
	}
	return &rowError{fmt.Errorf("%s, row %s: its %s refers to a row of %s that is neither here nor in the batch (%s): it was deleted here, or the sender may not pass it on; export to the sender first, and let it import that and export again",
		l.Name, printable(l.Table, key), c.Name, what, which)}
}

// tooLarge says whether a statement was longer than the server takes.
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

// printable is a key as people can read it. Of a key that is not a uuid, only the uuids in it.
func printable(t *schema.Table, key string) string {
	t = t.Root
	parts, ok := journal.SplitKey(key, len(t.KeyColumns))
	if !ok {
		return "?"
	}
	var out []string
	for i, c := range t.KeyColumns {
		switch {
		case parts[i] == nil:
			out = append(out, "NULL")
		case c.Ref != nil && c.Ref.To != nil:
			out = append(out, printable(c.Ref.To, *parts[i]))
		case c.UUIDColumn:
			out = append(out, strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f {
					return -1
				}
				return r
			}, *parts[i]))
		default:
			out = append(out, "*")
		}
	}
	return strings.Join(out, "/")
}
