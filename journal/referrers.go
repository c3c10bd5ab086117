package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// Referrers hands to f the rows that refer to the table to by ref, and hold one of these values in the referring column: at least
// one value, and not so many that the statement gets too long. f gets the row and the value as it stands there; the server compares
// as the column does, so it may be none of the values letter by letter.
func Referrers(ctx context.Context, q sqldb.DB, ref *schema.Ref, to *schema.Table, values [][]byte, f func(row Row, value string)) error {
	c, from := ref.From, ref.From.Table
	b := []byte("SELECT " + Identity(from, "") + ", " + schema.Quote(c.Name))
	var says func(string) string // what a value of the deciding column says
	if w := ref.When; w != nil {
		b = append(b, ", "+schema.Quote(w.Decides().Name)...)
		var err error
		if says, err = Discriminator(ctx, q, w); err != nil {
			return err
		}
	}
	b = append(b, " FROM "+schema.Quote(from.Name)+" WHERE "+schema.Quote(c.Name)+" IN ("...)
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.AppendLiteral(b, v)
	}
	err := sqldb.Each(ctx, q, string(append(b, ')')), func(r []sql.RawBytes) error {
		if ref.When != nil && ref.When.Target(says(string(r[3]))) != to {
			return nil
		}
		f(Row{Int: sqldb.Int(r[0]), Key: string(r[1])}, string(r[2]))
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for what refers to %s: %w", to.Name, err)
	}
	return nil
}
