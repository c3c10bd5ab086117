package capture

import (
	"context"
	"fmt"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// deadKey returns the key that a row had when it was deleted: its own uuid, or that of its ancestors, which the log has if they were
// deleted too and the snapshot if not. It is "" if nothing identified the row.
func (s *sealer) deadKey(ctx context.Context, t *schema.Table, r journal.Row, d journal.Death) (string, error) {
	values, err := deadValues(t, r, d)
	if err != nil {
		s.j.Warn("a deleted row of %s: %v; the peers keep it", t.Name, err)
		return "", nil
	}
	parts := make([]*string, len(t.KeyColumns))
	for i, c := range t.KeyColumns {
		v := values[c.Name]
		switch {
		case v == nil || c.Ref == nil:
		case c.Ref.ByName():
			key := journal.JoinKey([]*string{v})
			v = &key
		default:
			if v, err = s.deadReference(ctx, c.Ref, *v, d); err != nil {
				return "", err
			}
		}
		parts[i] = v
	}
	return journal.Canonical(t, rowkey.Join(t, parts)), nil
}

// deadValues returns the values of a deleted row's key columns, by name: from its local key, or from what the trigger wrote beside it.
func deadValues(t *schema.Table, r journal.Row, d journal.Death) (map[string]*string, error) {
	values := map[string]*string{}
	set := func(columns []*schema.Column, key string) error {
		parts, err := schema.ParseKey(columns, key)
		for i := range parts {
			if parts[i] != nil {
				v := string(parts[i])
				values[columns[i].Name] = &v
			}
		}
		return err
	}
	switch {
	case d.DeletedKey != nil && len(t.KeyColumns) == 1:
		values[t.KeyColumns[0].Name] = d.DeletedKey
		return values, nil
	case d.DeletedKey != nil:
		return values, set(t.KeyColumns, *d.DeletedKey)
	case t.Integer != nil:
		v := fmt.Sprint(r.Int)
		values[t.Integer.Name] = &v
		return values, nil
	}
	return values, set(t.LocalColumns, r.Key)
}

// deadReference returns the key of the row that a row referred to when it was deleted, nil if nobody knows. Of a row that was there
// before the log began it is the row that it referred to then: by that key the peers know it, and the integer may have come to mean
// others since, in whatever order the application deleted them (without foreign key checks also the referred row first).
func (s *sealer) deadReference(ctx context.Context, ref *schema.Ref, value string, d journal.Death) (*string, error) {
	r := journal.Row{Int: sqldb.Int([]byte(value))}
	deaths := s.foldedAt(ref.To, r)
	for _, a := range deaths { // else the first that ended after the row did; a cascade logs the referring rows first or last
		if d.First && a.First || a.ID > d.ID || len(deaths) == 1 {
			key, err := s.deadKey(ctx, ref.To, r, a)
			return &key, err
		}
	}
	found, err := rowkey.Of(ctx, s.snap, ref.To, []journal.Row{r})
	if err != nil {
		return nil, err
	}
	if key := found[r]; key != "" {
		return &key, nil
	}
	if ref.To.Key == schema.KeyParent { // the shared key's own row is gone unseen; its ancestor may still tell
		return s.deadReference(ctx, ref.To.KeyColumns[0].Ref, value, d)
	}
	return nil, nil
}
