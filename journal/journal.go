package journal

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// A Journal is a node's database with all that is known of it: what capture and apply work on.
type Journal struct {
	DB        *sql.DB
	Self      string // this node's name
	Catalogue *schema.Catalogue
	Profile   *schema.Profile
	Tables    map[string]*Table
	Authors   *Authors
	Now       func() time.Time
	Warn      func(format string, args ...any) // what a person should know; never a patient's data
	KeepNone  bool                             // of what the application deletes nothing is to be kept
	Had       map[uint64]bool                  // histories that this node had, as its home folder remembers; it outlives a restore of the database

	decoded decoded // what was read of the tables last
}

// Load returns what a command needs of a node's database. Errors: [ErrNone] if it is no node, a *[FormatError] if its tables are of
// another format.
func Load(ctx context.Context, db *sql.DB, cat *schema.Catalogue, p *schema.Profile) (*Journal, error) {
	n, err := LoadNode(ctx, db)
	if err != nil {
		return nil, err
	}
	j := &Journal{DB: db, Self: n.Name, Catalogue: cat, Profile: p, Now: time.Now, Warn: func(string, ...any) {}}
	return j, j.Reload(ctx, db)
}

// Reload reads authors and tables again: other runs may have added some.
func (j *Journal) Reload(ctx context.Context, q sqldb.DB) (err error) {
	if j.Authors, err = LoadAuthors(ctx, q); err != nil {
		return err
	}
	j.Tables, err = loadTables(ctx, q, j.Authors, &j.decoded)
	return err
}

// Replicated returns the replicated tables that the journal knows, referred ones before referring ones.
func (j *Journal) Replicated() []*schema.Table {
	var out []*schema.Table
	for _, t := range j.Catalogue.Order() {
		if j.Tables[t.Name] != nil {
			out = append(out, t)
		}
	}
	return out
}

// HasManyColumns reports whether a replicated table has more columns than every program knows of: see [Table.HasManyColumns].
func (j *Journal) HasManyColumns() bool {
	return slices.ContainsFunc(j.Replicated(), func(t *schema.Table) bool { return j.Tables[t.Name].HasManyColumns() })
}

// Mask returns the existence of a row and all its columns that have versions.
func (j *Journal) Mask(t *schema.Table) merge.Mask {
	var m merge.MaskBuilder
	m.Add(merge.Existence)
	bits := j.Tables[t.Name].bits()
	for _, c := range j.Columns(t) {
		if bit := bits[c.Name]; bit != 0 {
			m.Add(bit)
		}
	}
	return m.Mask()
}

// Columns returns a table's columns that have versions: not what identifies the row, what means something here alone, what
// the server computes or the profile keeps back from everybody.
func (j *Journal) Columns(t *schema.Table) []*schema.Column {
	var out []*schema.Column
	for _, c := range t.Columns {
		if HasBit(c) && c.Excluded == "" {
			out = append(out, c)
		}
	}
	return out
}

// HasBit reports whether a column gets a bit in the masks.
func HasBit(c *schema.Column) bool { return !c.Generated && !c.Local && !c.Key }
