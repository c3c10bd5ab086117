package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// TheirKey returns what the peer calls a row of a root table, by its own key and those that it is made of.
func (j *Journal) TheirKey(a *Aliases, root *schema.Table, key string) string {
	return MapKey(root, key, func(t *schema.Table, key string) string {
		meta := j.Tables[t.Name]
		if meta == nil || !a.Any(meta.ID) || !HasAliases(t) {
			return key
		}
		if their, ok := a.Their(meta.ID, Canonical(t, key)); ok {
			return their
		}
		return key
	})
}

// TheirValue returns the text that a conflict record has of a column's value as the peer has it: of a reference, the peer's key.
func (j *Journal) TheirValue(a *Aliases, c *schema.Column, value string) string {
	for _, t := range referred(c) {
		if their := j.TheirKey(a, t.Root, value); their != value {
			return their
		}
	}
	return value
}

// referred returns the tables that a column may refer to.
func referred(c *schema.Column) []*schema.Table {
	switch {
	case c == nil || c.Ref == nil:
		return nil
	case c.Ref.When != nil:
		return c.Ref.Targets()
	}
	return []*schema.Table{c.Ref.To}
}

// theirConflict returns a record as the peer has it.
func (j *Journal) theirConflict(a *Aliases, t *schema.Table, c Conflict) Conflict {
	c.Key = j.TheirKey(a, t.Root, c.Key)
	if c.Value != nil {
		value := j.TheirValue(a, t.Column(c.Column), *c.Value)
		c.Value = &value
	}
	return c
}

// TheirDigests returns the digests by which a peer knows records of a table that have these digests here, where they are others.
func (j *Journal) TheirDigests(ctx context.Context, q sqldb.DB, a *Aliases, t *schema.Table, digests []string) (map[string]string, error) {
	if a.None() {
		return nil, nil
	}
	out := map[string]string{}
	err := chunks(digests, func(part []string) error {
		b := []byte("SELECT " + conflictColumns + " FROM omsync_conflict WHERE digest IN (")
		for i, d := range part {
			if i > 0 {
				b = append(b, ',')
			}
			b = sqldb.Binary(b, d)
		}
		return j.eachConflict(ctx, q, string(append(b, ')')), func(c Conflict) {
			if their := j.theirConflict(a, t, c).Digest(); their != c.Digest() {
				out[c.Digest()] = their
			}
		})
	})
	return out, err
}

// OwnDigests returns the digests here of records about some rows of a table, by the digests by which the peer knows them, where they are
// others. Keys are canonical.
func (j *Journal) OwnDigests(ctx context.Context, q sqldb.DB, a *Aliases, t *schema.Table, keys []string) (map[string]string, error) {
	if a.None() {
		return nil, nil
	}
	out := map[string]string{}
	err := chunks(keys, func(part []string) error {
		b := append([]byte("SELECT "+conflictColumns+" FROM omsync_conflict WHERE table_name = "), sqldb.Binary(nil, t.Name)...)
		b = append(b, " AND row_key IN ("...)
		for i, k := range part {
			if i > 0 {
				b = append(b, ',')
			}
			b = sqldb.Binary(b, k)
		}
		return j.eachConflict(ctx, q, string(append(b, ')')), func(c Conflict) {
			if their := j.theirConflict(a, t, c).Digest(); their != c.Digest() {
				out[their] = c.Digest()
			}
		})
	})
	return out, err
}

func (j *Journal) eachConflict(ctx context.Context, q sqldb.DB, query string, f func(Conflict)) error {
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error { f(readConflict(r)); return nil })
	if err != nil {
		return fmt.Errorf("read conflicts: %w", err)
	}
	return nil
}
