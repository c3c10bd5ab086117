package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// reindex empties the setting that tells the application whether what it derives from some tables is up to date, if the batch
// changed any of them. The session is quiet and the row one that stays here: no peer hears of it.
func (im *importer) reindex(ctx context.Context) error {
	if !im.o.Reindex {
		return nil
	}
	r, err := im.j.Profile.Reindex()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(im.resolver.exchanged, func(l *localTable) bool {
		return l.count.Inserted+l.count.Updated+l.count.Deleted > 0 && r.Match(l.Name)
	}) {
		return nil
	}
	t := im.j.Catalogue.Named(r.Table)
	if t == nil || t.Column(r.Column) == nil || t.Column(r.Blank) == nil {
		im.notes.add("there is no %s.%s to empty: the application is not told to index anew", r.Table, r.Blank)
		return nil
	}
	blank := schema.Quote(t.Column(r.Blank).Name)
	b := fmt.Appendf(nil, "UPDATE %s SET %s = '' WHERE %s = ", schema.Quote(t.Name), blank, schema.Quote(t.Column(r.Column).Name))
	b = sqldb.AppendString(b, []byte(r.Value))
	b = fmt.Appendf(b, " AND %s <> ''", blank)
	result, err := im.resolver.s.exec(ctx, b)
	if err != nil {
		return fmt.Errorf("empty %s of %s: %w", r.Value, r.Table, err)
	}
	if n, err := result.RowsAffected(); err != nil {
		return err
	} else if n > 0 {
		im.notes.add("%s is empty now: the application indexes anew at its next start", r.Value)
	}
	return nil
}
