package journal

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// Reindex empties the setting that tells the application whether what it derives from some tables is up to date, if one of those that
// changed is among these. The session is quiet and the row one that stays here: no peer hears of it. It returns what a person should know; "" if nothing.
func (j *Journal) Reindex(ctx context.Context, q sqldb.DB, changed []string) (note string, err error) {
	r, err := j.Profile.Reindex()
	if err != nil || !slices.ContainsFunc(changed, r.Match) {
		return "", err
	}
	t := j.Catalogue.Named(r.Table)
	if t == nil || t.Column(r.Column) == nil || t.Column(r.Blank) == nil {
		return fmt.Sprintf("there is no %s.%s to empty: the application is not told to index anew", r.Table, r.Blank), nil
	}
	blank := schema.Quote(t.Column(r.Blank).Name)
	b := fmt.Appendf(nil, "UPDATE %s SET %s = '' WHERE %s = ", schema.Quote(t.Name), blank, schema.Quote(t.Column(r.Column).Name))
	b = sqldb.AppendString(b, []byte(r.Value))
	b = fmt.Appendf(b, " AND %s <> ''", blank)
	result, err := q.ExecContext(ctx, string(b))
	if err != nil {
		return "", fmt.Errorf("empty %s of %s: %w", r.Value, r.Table, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n == 0 {
		return "", err
	}
	return r.Value + " is empty now: the application indexes anew at its next start", nil
}
