package schema

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
)

// Querier is the part of *sql.DB, *sql.Conn and *sql.Tx that [Read] needs.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Catalogue is what is known of one database. It is complete and constant after [Read].
type Catalogue struct {
	Database string
	Tables   []*Table // all base tables except omsync_*, by name
	Notes    []string // what a person should know: a rule of the profile that fits nothing, a doubtful key; sorted

	lower  bool // table names are compared without case (lower_case_table_names is not 0)
	byName map[string]*Table
	order  []*Table

	owners    *Owners
	ownersErr error
}

// Table returns the table of that name, or nil. Names are exact, or compared without case where the server does so.
func (c *Catalogue) Table(name string) *Table {
	if c.lower {
		name = strings.ToLower(name)
	}
	return c.byName[name]
}

// Named returns the table that another server's name means here: that of this name, or else the only one whose name differs in nothing
// but small letters and capitals, which some servers do not keep; nil: none, or several.
func (c *Catalogue) Named(name string) *Table {
	if t := c.Table(name); t != nil {
		return t
	}
	var found *Table
	for _, t := range c.Tables {
		if strings.EqualFold(t.Name, name) {
			if found != nil {
				return nil
			}
			found = t
		}
	}
	return found
}

// Order returns the replicated tables, referred ones before referring ones. Every reference that cannot be NULL (and every one
// that is part of a key) points to an earlier table, its own, or round a cycle of such references, which nothing can order.
// Cycles are broken at references that may be NULL, always at the same ones. See [Ref.Patched].
func (c *Catalogue) Order() []*Table { return c.order }

// Table is one base table.
type Table struct {
	Name    string
	Engine  string
	Columns []*Column // by position

	// PrimaryKey holds the columns of the primary key, or of the unique index over NOT NULL columns that stands in for it.
	PrimaryKey    []*Column
	AutoIncrement *Column
	Unique        [][]*Column // the other unique indexes

	// Key says what identifies a row everywhere. A part with a Ref stands for the key of the row it points to, any other
	// for its value. KeyColumns is nil for KeyNone.
	Key        KeyKind
	KeyColumns []*Column
	// Root is the table whose keys the rows of this one have: person for patient, orders for drug_order, the table itself
	// for all that are not KeyParent.
	Root *Table
	// KeyIndexed: some index finds rows by their key. KeyUnique: a unique index allows each key once (a NULL in it aside).
	KeyIndexed, KeyUnique bool

	// Integer is the primary key if that is a single integer column: how rows are known in this database. If it is nil they
	// are known by LocalColumns: the primary key, or all columns where there is none.
	Integer      *Column
	LocalColumns []*Column

	// Replicated: changes are captured, and rows may leave the database where its direction lets them. If not, Why says the reason and what mends it: "profile: never",
	// "not InnoDB: …", "no usable key: …", "lost reference: …".
	Replicated bool
	Why        string

	// Direction is which way rows go between a parent and a child: as the profile says of the table by name, or else as its default:
	// both ways, or where the profile names owners, both ways for what belongs to one of these and down for the rest.
	// Down by that last rule, it is DownByDefault. Of Code only what goes down or not at all is left of what the profile says.
	Direction     access.Direction
	DownByDefault bool
	Staff         bool // where its rows go up only, those of people who work for the parent go down all the same
	NamesStaff    bool // its rows name such people
	Owned         bool // its rows belong to an owner's, by what they refer to, whatever way it goes
	DirectionHere bool // a file of this node's own, not the built-in profile, says it by name
	Rights        bool // its rows give people rights over the data
	Code          bool // the application runs what its rows hold

	// Children are the references to this table, by table and column. One that is not the Ref of its column (a second
	// foreign key on it, or a foreign key to a column that is no key) does not say how the value is sent, only what the
	// server does on delete and update.
	Children []*Ref

	// Depth is the length of the longest chain of references above the table that must exist first; Position its place in
	// Order, -1 if it is not replicated.
	Depth, Position int

	columns    map[string]*Column
	indexes    []index
	overridden bool // the key is the profile's
}

// Column returns the column of that name, or nil. MySQL compares column names without case.
func (t *Table) Column(name string) *Column { return t.columns[strings.ToLower(name)] }

// KeyOnce reports whether each key, in the form in which keys are compared, can be there once: a unique index over a uuid that tells small
// letters from capitals allows both.
func (t *Table) KeyOnce() bool {
	return t.KeyUnique && !(t.Key == KeyUUID && t.KeyColumns[0].TellsCase())
}

// Sent returns the columns whose values are sent with a row, by position. Key columns are among them.
func (t *Table) Sent() []*Column {
	var sent []*Column
	for _, c := range t.Columns {
		if c.Excluded == "" {
			sent = append(sent, c)
		}
	}
	return sent
}

// KeyKind is what identifies a row everywhere.
type KeyKind uint8

const (
	KeyNone    KeyKind = iota // nothing: the table is not replicated
	KeyUUID                   // the uuid column
	KeyParent                 // the primary key is the key of a row of another table
	KeyColumns                // the primary key's columns, or those that the profile names
	KeyAll                    // no primary key: all columns
)

// String returns the kind as the catalogue's print has it.
func (k KeyKind) String() string {
	switch k {
	case KeyUUID:
		return "uuid"
	case KeyParent:
		return "parent"
	case KeyColumns:
		return "columns"
	case KeyAll:
		return "all"
	}
	return "none"
}

// Column is one column of a table.
type Column struct {
	Table    *Table
	Name     string
	Ordinal  int    // from 1
	Type     string // data type without size, lower case: "varchar"
	FullType string // as declared, less the display width of integers, which only some servers tell
	Unsigned bool
	Nullable bool
	// Generated columns are computed by the server and never written.
	Generated bool
	// AutoIncrement: the server gives the next number. AutoUpdate: ON UPDATE CURRENT_TIMESTAMP.
	AutoIncrement, AutoUpdate bool
	// Default is the value of a column that an INSERT leaves out, nil where there is none or it is NULL. If DefaultExpr is
	// set it is an expression, not a literal.
	Default     *string
	DefaultExpr bool
	Charset     string // empty for what is not text; utf8 is called utf8mb3 whatever the server calls it
	Collation   string
	Length      int64 // characters of text, bytes of binary strings, 0 for others

	Ref *Ref // nil: a plain value
	Key bool // one of the table's KeyColumns
	// UUIDColumn marks the uuid of the row, whether or not it is the key.
	UUIDColumn bool
	// Local marks a number that means nothing elsewhere: an own integer primary key or AUTO_INCREMENT. It is never sent as a value;
	// where rows only flow down, new ones may keep it (see access.Rules.SendsIntegers).
	Local bool
	// InsertOnly marks a column that comes with an insert and is left alone afterwards: the uuid of rows matched by name.
	InsertOnly bool
	// Excluded says why the value never leaves the database; empty if it may. What is excluded only from a parent's files is the
	// profile's matter: [Profile.Excluded].
	Excluded string

	invisible bool
	links     []*Ref // where it may point to, best first
	plain     bool   // the profile says that it is no reference
}

// DeclaredPlain reports whether the profile says that the column is no reference.
func (c *Column) DeclaredPlain() bool { return c.plain }

// TellsCase reports whether the column's collation tells small letters from capitals.
func (c *Column) TellsCase() bool {
	return strings.HasSuffix(c.Collation, "_bin") || strings.HasSuffix(c.Collation, "_cs")
}

// Spellings returns in which forms a key, which for a uuid counts in either case, is looked for in the column: the server finds all
// forms by one, or the column tells them apart, and a uuid is as it was sent, in small letters or in capitals.
func (c *Column) Spellings(key string) []string {
	out := []string{key}
	if c.UUIDColumn && c.TellsCase() {
		for _, s := range []string{strings.ToLower(key), strings.ToUpper(key)} {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// Ref says that a column's value identifies a row of another table, or of the same one.
//
// Such a value is sent as the key of that row. A value that finds no row (0, or an id deleted while foreign keys were off)
// has no key to be sent as.
type Ref struct {
	From     *Column
	To       *Table     // nil for a conditional reference
	ToColumn *Column    // To's Integer, or its only key column; nil for a conditional reference
	Declared bool       // by a foreign key in the database
	OnDelete string     // CASCADE, SET NULL, SET DEFAULT or RESTRICT (for NO ACTION too); empty if not declared
	OnUpdate string     // likewise
	When     *Condition // nil: always
	// Beside says that the key of the row is sent in a column of its own, beside the value: only the profile knows of the reference,
	// and a peer with an earlier program takes the value for a plain one.
	Beside bool
}

// ByName reports whether the column holds the name that is the key of the row it refers to, and not an integer.
func (r *Ref) ByName() bool {
	return r.When == nil && (r.To.Integer == nil || r.ToColumn != r.To.Integer)
}

// Targets returns the tables that the reference may point to.
func (r *Ref) Targets() []*Table {
	if r.When == nil {
		return []*Table{r.To}
	}
	return r.When.tables()
}

// Patched reports whether rows may point to rows that [Catalogue.Order] does not put before them: those of their own table, or of
// a later one where a cycle was broken. They are inserted without the reference and get it afterwards.
func (r *Ref) Patched() bool {
	from := r.From.Table
	for _, to := range r.Targets() {
		if to == from || to.Position > from.Position {
			return true
		}
	}
	return false
}

// Condition makes a reference depend on the row: person_attribute.value is the id of a concept only where the format of the
// row's person_attribute_type names a concept. A value that is no integer in decimal digits is plain whatever the format.
type Condition struct {
	Via          *Column // refers to the row of Lookup that decides; nil if the row itself decides (Lookup is then its table)
	Lookup       *Table
	LookupColumn *Column
	Targets      map[string]*Table // by the last part of a dotted name: "Concept"
	Patterns     []Pattern         // for whole values; they stand before Targets, and an earlier one before a later one
}

// Pattern says which table values refer to where the deciding column holds one that Value fits, with `*` for any run of characters
// and without case.
type Pattern struct {
	Value string
	To    *Table // nil: none, they are plain
}

// Decides returns the column, in the table that the reference is in, whose value decides: Via, or LookupColumn where the row itself does.
func (c *Condition) Decides() *Column {
	if c.Via != nil {
		return c.Via
	}
	return c.LookupColumn
}

// Target returns the table that a value refers to where LookupColumn holds format, or nil if it is a plain value there.
// Class names are compared by what follows the last dot: "org.openmrs.Concept" finds "Concept".
func (c *Condition) Target(format string) *Table {
	for _, p := range c.Patterns {
		if Matches(p.Value, format) {
			return p.To
		}
	}
	return c.Targets[format[strings.LastIndexByte(format, '.')+1:]]
}

// Quote returns the identifier in backticks, any backtick in it doubled.
func Quote(identifier string) string {
	return "`" + strings.ReplaceAll(identifier, "`", "``") + "`"
}
