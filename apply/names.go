package apply

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// maxSharedNames is how many names that others have too one import may bring.
const maxSharedNames = 1000

// nameCost is about what is held of a row that came with a name.
const nameCost = 48

// newNames are the names of a row that must be nobody else's.
type newNames struct {
	columns merge.Mask // in which it comes with them
	returns bool       // it was deleted here, and comes back
}

// noteNames notes the rows of a block that came with names, once they are written: that they are nobody else's can only be told when the
// batch is in, because one row may give a name up and another take it.
func (w *writer) noteNames(q *writes) error {
	for _, r := range slices.Concat(q.insert, q.update) {
		if r.names.columns.IsEmpty() || r.at.Int == 0 { // of a row that is deferred, its integer comes later
			continue
		}
		if q.l.newNames == nil {
			q.l.newNames = map[int64]newNames{}
		}
		noted := q.l.newNames[r.at.Int]
		q.l.newNames[r.at.Int] = newNames{noted.columns.Or(r.names.columns), noted.returns || r.names.returns}
		if err := w.hold(nameCost); err != nil {
			return err
		}
	}
	return nil
}

// checkNames sets aside rows that came with a name by which another row here logs in.
func (w *writer) checkNames(ctx context.Context) error {
	for _, l := range w.resolver.exchanged {
		if len(l.newNames) == 0 {
			continue
		}
		if err := w.resolver.alone(); err != nil {
			return err
		}
		if err := newNameCheck(w, l).run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// nameCheck looks for names that several rows of a table have.
type nameCheck struct {
	w       *writer
	l       *localTable
	columns []*schema.Column
	counted []bool // by column: the application counts its values
}

func newNameCheck(w *writer, l *localTable) *nameCheck {
	n := &nameCheck{w: w, l: l}
	says := w.j.Profile.Names(l.Name)
	for _, name := range says.Columns {
		if c := l.Column(name); c != nil {
			n.columns = append(n.columns, c)
			n.counted = append(n.counted, slices.ContainsFunc(says.Numbered, func(s string) bool { return strings.EqualFold(s, c.Name) }))
		}
	}
	return n
}

// run looks at each name that a row which came has in common with another.
func (n *nameCheck) run(ctx context.Context) error {
	shared, err := n.shared(ctx)
	if err != nil {
		return err
	}
	if len(shared) > maxSharedNames {
		return batch.Excess("more than %d names that its rows of %s have are others' too", maxSharedNames, n.l.Name)
	}
	for _, users := range shared {
		if err := n.setAside(ctx, users); err != nil {
			return err
		}
	}
	return nil
}

// setAside sets aside those of the rows with one name that must not come with it. Of the rows that use it in the same way, two stand for
// all, the second for when the first is the row itself: a file may bring very many.
func (n *nameCheck) setAside(ctx context.Context, users []*nameUser) error {
	var others []*nameUser
	same := map[access.NameUse]int{}
	for _, u := range users {
		use := u.use
		use.New = false
		if same[use]++; same[use] <= 2 {
			others = append(others, u)
		}
	}
	for _, u := range users {
		if err := ctx.Err(); err != nil {
			return err
		}
		taken := func(other *nameUser) bool { return u.id != other.id && access.NameTaken(u.use, other.use) }
		if i := slices.IndexFunc(others, taken); i >= 0 {
			if err := n.w.setAside(n.l, u.key, n.taken(u, others[i])); err != nil {
				return err
			}
		}
	}
	return nil
}

// compared is a column as names are compared: as the table does, where its columns agree.
func (n *nameCheck) compared(c *schema.Column) string {
	for _, other := range n.columns {
		if other.Collation != c.Collation {
			return "CONVERT(" + schema.Quote(c.Name) + " USING utf8mb4) COLLATE utf8mb4_general_ci"
		}
	}
	return schema.Quote(c.Name)
}

// nameUser is a row that has a name, in one or more of its columns.
type nameUser struct {
	id     int64
	key    string
	column string // of those, one
	dashed bool   // in which it has the name with a dash
	use    access.NameUse
}

// in is the column, as a message names it.
func (u *nameUser) in() string {
	if u.dashed {
		return u.column + " (without its dash)"
	}
	return u.column
}

// shared finds the names that a row which came has in common with another, one more than may be at most, and rows that have them: all
// that came, and of the others one for each way to use the name.
func (n *nameCheck) shared(ctx context.Context) ([][]*nameUser, error) {
	var out [][]*nameUser
	last := ""
	err := n.w.s.each(ctx, n.query(), func(r []sql.RawBytes) error {
		name := string(r[0])
		if len(out) == 0 || name != last {
			out, last = append(out, nil), name
		}
		users := &out[len(out)-1]
		id, at, undashed := sqldb.Int(r[1]), int(sqldb.Int(r[3])), sqldb.Int(r[5]) != 0
		if i := len(*users) - 1; i < 0 || (*users)[i].id != id {
			*users = append(*users, &nameUser{id: id, key: string(r[2]), use: access.NameUse{Counted: access.Counted(name), Undashed: undashed, Only: true}})
		}
		u := (*users)[len(*users)-1]
		u.column, u.dashed = n.columns[at].Name, undashed
		came := n.l.newNames[id]
		u.use.New = u.use.New || came.columns.Has(n.l.journal.Bit(u.column))
		u.use.Returns = came.returns
		u.use.Counted = u.use.Counted && n.counted[at] && u.use.Undashed == undashed
		u.use.Only = u.use.Only && sqldb.Int(r[4]) == 0
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("compare names in %s: %w", n.l.Name, err)
	}
	return out, nil
}

// maxNamed is how many rows that came with names a query lists. If more came, it takes any row for one.
const maxNamed = 10_000

// query asks for the uses of shared names: a name, a row's integer and uuid, in which column it has the name, whether it has another name
// in another column, and whether it has this one with a dash. Where not all rows are taken for such that came, at most three others have
// a name read, however many have it: one for each way to use it. Names that all have with a dash are looked at with their dash alone.
func (n *nameCheck) query() string {
	id, table, key := schema.Quote(n.l.Integer.Name), schema.Quote(n.l.Name), "''"
	if n.l.Key == schema.KeyUUID {
		key = schema.Quote(n.l.KeyColumns[0].Name)
	}
	came := n.came(id)
	var names, uses []string
	add := func(at int, name, counted string, undashed int, where string) {
		names = append(names, fmt.Sprintf("SELECT %s AS id, %s AS name, %s AS counted, %d AS undashed, %s AS came FROM %s WHERE %s", id, name, counted, undashed, came, table, where))
		uses = append(uses, fmt.Sprintf("SELECT %s AS id, %s AS row_key, %s AS name, %d AS at, %s AS other, %d AS undashed, %s AS came FROM %s WHERE %s",
			id, key, name, at, n.other(n.columns[at]), undashed, came, table, where))
	}
	for i, c := range n.columns {
		name, column := n.compared(c), schema.Quote(c.Name)
		if !n.counted[i] {
			add(i, name, "0", 0, column+" <> ''")
			continue
		}
		add(i, name, n.other(c), 0, column+" <> ''")
		add(i, "REPLACE("+name+", '-', '')", n.other(c), 1, column+" REGEXP '^[0-9]+-[0-9] *$'")
	}
	const union = " UNION ALL "
	return fmt.Sprintf("SELECT s.name, u.id, u.row_key, u.at, u.other, u.undashed FROM (SELECT MIN(name) AS name, "+
		"MIN(IF(came OR counted, NULL, id)) AS one, MIN(IF(came OR NOT counted OR undashed, NULL, id)) AS two, MIN(IF(came OR NOT counted OR NOT undashed, NULL, id)) AS three "+
		"FROM (%s) n GROUP BY n.name HAVING COUNT(DISTINCT id) > 1 AND MAX(came) = 1 AND MIN(undashed) = 0 LIMIT %d) s "+
		"STRAIGHT_JOIN (%s) u ON u.name = s.name WHERE u.came OR u.id IN (s.one, s.two, s.three) ORDER BY s.name, u.id, u.at",
		strings.Join(names, union), maxSharedNames+1, strings.Join(uses, union))
}

// came is whether a row came with names, in SQL, by its integer.
func (n *nameCheck) came(id string) string {
	if len(n.l.newNames) > maxNamed {
		return "1"
	}
	var ids []string
	for i := range n.l.newNames {
		ids = append(ids, fmt.Sprint(i))
	}
	return "(" + id + " IN (" + strings.Join(ids, ",") + "))"
}

// other is whether a row has another name than that in a column, in SQL.
func (n *nameCheck) other(c *schema.Column) string {
	other := "(0"
	for _, o := range n.columns {
		if o != c {
			other += fmt.Sprintf(" OR IFNULL(%s <> '' AND %[1]s <> %s, 0)", n.compared(o), n.compared(c))
		}
	}
	return other + ")"
}

// taken is the reason of a row with a name that another has.
func (n *nameCheck) taken(u, other *nameUser) *cause {
	which := "another row here"
	if other.key != "" {
		which = "the row " + printable(n.l.Table, other.key) + " here"
	}
	if u.use.Returns {
		return &cause{error: fmt.Errorf("it does not come back, because its %s is now that of %s (its %s), and people log in by that", u.in(), which, other.in()),
			code: journal.WaitsForUnique, column: u.column}
	}
	err := fmt.Errorf("%s sends it with a %s that %s has already (in its %s), and people log in by that: give one of the two another, best at %[1]s, and export there again",
		n.w.resolver.peer.Name, u.in(), which, other.in())
	return &cause{error: err, code: journal.WaitsForUnique, column: u.column}
}
