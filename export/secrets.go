package export

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// markSecrets notes the columns that go with rows which are released alone.
func (t *table) markSecrets() {
	withheld := t.rules.Withholds()
	for i, c := range t.columns {
		if !withheld.Has(t.meta.Bit(c.Name)) {
			continue
		}
		if t.secret == nil {
			t.secret = make([]bool, len(t.columns))
		}
		t.secret[i] = true
	}
}

// findReleased finds the rows of a table whose secrets may go: those that have one of the roles which are configured.
func (p *plan) findReleased(ctx context.Context, t *table) error {
	s := p.j.Profile.Secret(t.Name)
	roles := p.j.Catalogue.Named(s.Roles)
	if t.Integer == nil || roles == nil || roles.Column(s.Row) == nil || roles.Column(s.Role) == nil {
		p.j.Warn("nothing here says which rows of %s have a role (%s.%s, %[2]s.%[4]s): no secrets are sent", t.Name, s.Roles, s.Row, s.Role)
		return nil
	}
	query := []byte(fmt.Sprintf("SELECT DISTINCT %s FROM %s WHERE %s IN (", schema.Quote(roles.Column(s.Row).Name), schema.Quote(roles.Name), schema.Quote(roles.Column(s.Role).Name)))
	for i, role := range p.j.Profile.Released() {
		if i > 0 {
			query = append(query, ", "...)
		}
		query = sqldb.AppendString(query, []byte(role))
	}
	t.release = map[int64]bool{}
	err := sqldb.Each(ctx, p.snap, string(append(query, ')')), func(v []sql.RawBytes) error {
		t.release[sqldb.Int(v[0])] = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("find who has which role in %s: %w", roles.Name, err)
	}
	return nil
}

// withhold takes the secrets out of the rows that are not released.
func (t *table) withhold(p *portion) {
	if t.secret == nil {
		return
	}
	for i, r := range p.rows {
		if t.release[r.Int] {
			continue
		}
		for c, secret := range t.secret {
			if secret {
				p.values[c][i] = nil
			}
		}
	}
}

// sent returns what of a row goes: its existence and columns.
func (t *table) sent(r journal.Row) merge.Mask {
	if t.secret == nil || t.release[r.Int] {
		return t.mask
	}
	mask := t.mask
	for c, secret := range t.secret {
		if secret {
			mask = mask.Without(merge.Bit(t.meta.Bit(t.columns[c].Name)))
		}
	}
	return mask
}
