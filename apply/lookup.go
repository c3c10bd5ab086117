package apply

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// found is a row that a key was found to be.
type found struct {
	row    journal.Row
	values [][]byte // of the columns asked for
}

// lock is how rows are read: the end of a SELECT.
type lock string

const (
	lockNone   lock = ""
	lockShared lock = "LOCK IN SHARE MODE" // nobody may change or delete them
	lockAlone  lock = "FOR UPDATE"
)

// maxLookUp is how many rows one statement looks for.
const maxLookUp = 1000

// lookUp is a question for the rows of a table that have some values.
type lookUp struct {
	l       *localTable
	on      []*schema.Column // that have the values
	values  [][][]byte
	lock    lock
	columns []*schema.Column // what is read
}

// lookUp asks for the rows that have some values in some columns. f gets the place of the values that a row has.
func (v *resolver) lookUp(ctx context.Context, l *localTable, on []*schema.Column, values [][][]byte, lock lock, columns []*schema.Column, f func(int, found)) error {
	if err := v.s.finish(ctx); err != nil {
		return err
	}
	return lookUp{l, on, values, lock, columns}.run(ctx, v.s.conn.Conn, v.s.maxStatement, f)
}

// run joins values with the table: the shape that uses the index and locks what it finds alone. A statement has about limit bytes at most.
func (u lookUp) run(ctx context.Context, conn *sql.Conn, limit int, f func(int, found)) error {
	l, on, values := u.l, u.on, u.values
	head := []byte("SELECT d.n, " + journal.Identity(l.Table, "t."))
	for _, c := range u.columns {
		head = append(append(head, ", "...), c.Select("t.")...)
	}
	head = append(head, " FROM "...)
	names := []string{"n"}
	tail := []byte(" STRAIGHT_JOIN " + schema.Quote(l.Name) + " t" + l.ForceIndex(on) + " ON ")
	for p, c := range on {
		if p > 0 {
			tail = append(tail, " AND "...)
		}
		same := "="
		if c.Nullable {
			same = "<=>"
		}
		name := fmt.Sprintf("a%d", p)
		names = append(names, name)
		tail = fmt.Appendf(tail, "t.%s %s %s", schema.Quote(c.Name), same, searchable(c, "d."+name))
	}
	tail = append(append(tail, ' '), u.lock...)
	// Where the values are one row, servers look once in a unique index, also for NULL, and find one of the rows that have it. So a row of
	// NULLs goes before values with a NULL.
	spare := 0
	if slices.ContainsFunc(values, func(r [][]byte) bool { return slices.ContainsFunc(r, func(v []byte) bool { return v == nil }) }) {
		spare = 1
	}
	var b []byte
	var reader foundReader
	for start, n := 0, 0; start < len(values); start += n {
		take := func(most, limit int) {
			b, n = sqldb.AppendDerived(append(b[:0], head...), names, spare+most, limit, func(b []byte, row, column int) []byte {
				i := start + row - spare
				switch {
				case column == 0 && row < spare:
					return append(b, "NULL"...)
				case column == 0:
					return strconv.AppendInt(b, int64(i), 10)
				}
				c, v := on[column-1], []byte(nil)
				if row >= spare {
					v = values[i][column-1]
				}
				if c.Type == "bigint" && c.Unsigned { // MySQL 5.6 makes a large one the largest that has a sign, where others are beside it
					return append(c.AppendLiteral(append(b, "CAST("...), v), " AS UNSIGNED)"...)
				}
				return c.AppendLiteral(b, v)
			})
			n -= spare
		}
		if take(min(len(values)-start, maxLookUp), limit); n == 0 {
			take(1, 0)
		}
		b = append(b, tail...)
		err := sqldb.EachValue(ctx, conn, string(b), func(r []driver.Value) error {
			if r[0] != nil {
				n := sqldb.Int(sqldb.AppendText(reader.text[:0], r[0]))
				f(int(n), reader.read(r[1:]))
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for rows of %s: %w", l.Name, err)
		}
	}
	return nil
}

// read takes a row's local identity and values out of a result.
func read(r []sql.RawBytes) found {
	f := found{row: journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}, values: make([][]byte, len(r)-2)}
	size := 0
	for _, v := range r[2:] {
		size += len(v)
	}
	arena := make([]byte, 0, size)
	for i, v := range r[2:] {
		if v != nil {
			start := len(arena)
			arena = append(arena, v...)
			f.values[i] = arena[start:len(arena):len(arena)]
		}
	}
	return f
}

// foundReader reads rows as the driver has them.
type foundReader struct {
	text  []byte   // of the row under way
	cells [][]byte // room for values of the next rows
}

// cellsRoom is for how many values there is room together.
const cellsRoom = 1024

func (u *foundReader) read(r []driver.Value) found {
	u.text = sqldb.AppendText(u.text[:0], r[0])
	f := found{row: journal.Row{Int: sqldb.Int(u.text)}}
	u.text = sqldb.AppendText(u.text[:0], r[1])
	f.row.Key = string(u.text)
	columns := len(r) - 2
	if columns == 0 {
		return f
	}
	if len(u.cells) < columns {
		u.cells = make([][]byte, max(columns, cellsRoom))
	}
	f.values, u.cells = u.cells[:columns:columns], u.cells[columns:]
	u.text = u.text[:0]
	for _, v := range r[2:] {
		u.text = sqldb.AppendText(u.text, v)
	}
	arena := make([]byte, 0, len(u.text))
	for i, v := range r[2:] {
		if v != nil {
			start := len(arena)
			arena = sqldb.AppendText(arena, v)
			f.values[i] = arena[start:len(arena):len(arena)]
		}
	}
	return f
}

// searchable is a text of the session's character set as the column's own index can be searched for it.
func searchable(c *schema.Column, v string) string {
	if c.Type == "time" { // MySQL 5.6 does not compare it with text
		return "CAST(" + v + " AS TIME(6))"
	}
	if c.Collation == "" || c.Charset == "binary" {
		return v
	}
	charset, _, _ := strings.Cut(c.Collation, "_")
	return "CONVERT(" + v + " USING " + charset + ") COLLATE " + c.Collation
}

// findUnindexed finds rows by a uuid that no index holds (users): a plain read of the table, which locks nothing, and
// then the rows themselves. Locking a scan would stop the application.
func (v *resolver) findUnindexed(ctx context.Context, l *localTable, keys []uint32, lock lock, columns []*schema.Column, out map[int]found) error {
	want := map[string][]int{}
	for n, i := range keys {
		k := v.keys.at(i).canonical()
		want[k] = append(want[k], n)
	}
	var rows []journal.Row
	at := map[journal.Row][]int{}
	query := "SELECT " + journal.Identity(l.Table, "") + ", " + schema.Quote(l.KeyColumns[0].Name) + " FROM " + schema.Quote(l.Name)
	err := v.s.each(ctx, query, func(r []sql.RawBytes) error {
		if r[2] == nil {
			return nil
		}
		if ns := want[journal.Canonical(l.Table, string(r[2]))]; ns != nil {
			row := journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}
			rows, at[row] = append(rows, row), ns
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for rows of %s: %w", l.Name, err)
	}
	return v.readRows(ctx, l, rows, lock, columns, func(f found) {
		for _, n := range at[f.row] {
			before, twice := out[n]
			if twice {
				v.noteTwice(l, keys[n])
			}
			if !twice || rowkey.Compare(f.row, before.row) < 0 {
				out[n] = f
			}
		}
	})
}

// readRows reads rows by their local identity, and locks them.
func (v *resolver) readRows(ctx context.Context, l *localTable, rows []journal.Row, lock lock, columns []*schema.Column, f func(found)) error {
	on := []*schema.Column{l.Integer}
	if l.Integer == nil {
		on = l.LocalColumns
	}
	values := make([][][]byte, 0, len(rows))
	for _, r := range rows {
		local, err := l.localValues(r)
		if err != nil {
			if err := v.readByLocalKey(ctx, l, r, lock, columns, f); err != nil {
				return err
			}
			continue
		}
		values = append(values, local)
	}
	wanted := make(map[journal.Row]bool, len(rows))
	for _, r := range rows {
		wanted[r] = true
	}
	return v.lookUp(ctx, l, on, values, lock, columns, func(_ int, got found) {
		if l.Integer != nil || wanted[got.row] { // a collation takes other rows for equal too
			f(got)
		}
	})
}

// readByLocalKey reads a row whose local key does not tell its values: a long one was cut, a number may have more digits. The server makes
// the key of every row of the table for that.
func (v *resolver) readByLocalKey(ctx context.Context, l *localTable, r journal.Row, lock lock, columns []*schema.Column, f func(found)) error {
	b := []byte("SELECT " + journal.Identity(l.Table, ""))
	for _, c := range columns {
		b = append(append(b, ", "...), c.Select("")...)
	}
	b = l.whereLocalKey(append(b, " FROM "+schema.Quote(l.Name)+" WHERE "...), r)
	err := v.s.each(ctx, string(append(append(b, ' '), lock...)), func(r []sql.RawBytes) error {
		f(read(r))
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for rows of %s: %w", l.Name, err)
	}
	return nil
}

// whereLocalKey appends the condition that picks a row by the text of its local key.
func (l *localTable) whereLocalKey(b []byte, r journal.Row) []byte {
	return append(sqldb.Binary(append(b, schema.LocalKeySQL(l.Table, "")+" = "...), r.Key), l.oneRow()...)
}

// localValues returns the values of the columns by which a row is known here.
func (l *localTable) localValues(r journal.Row) ([][]byte, error) {
	if l.Integer != nil {
		return [][]byte{strconv.AppendInt(nil, r.Int, 10)}, nil
	}
	return schema.ParseLocalKey(l.Table, r.Key)
}

// byInteger makes a statement look for rows by their integers.
func (l *localTable) byInteger() string { return l.ForceIndex([]*schema.Column{l.Integer}) }

// whereRow appends the condition that picks a row by its local identity.
func (l *localTable) whereRow(b []byte, r journal.Row) []byte {
	values, err := l.localValues(r)
	if err != nil {
		return l.whereLocalKey(b, r)
	}
	on := l.LocalColumns
	if l.Integer != nil {
		on = []*schema.Column{l.Integer}
	}
	for i, c := range on {
		if i > 0 {
			b = append(b, " AND "...)
		}
		b = append(b, schema.Quote(c.Name)+" <=> "...)
		b = c.AppendLiteral(b, values[i])
	}
	if len(l.PrimaryKey) == 0 { // a collation takes other rows for equal too
		return l.whereLocalKey(append(b, " AND "...), r)
	}
	return append(b, l.oneRow()...)
}

// oneRow ends a statement about one row: in a table without a primary key it is about all that are equal throughout.
func (l *localTable) oneRow() string {
	if len(l.PrimaryKey) == 0 {
		return ""
	}
	return " LIMIT 1"
}
