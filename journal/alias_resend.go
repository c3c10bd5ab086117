package journal

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Deciding returns the rules for a person's word about rows here and at a peer, see [merge.Import.MayPair].
func (j *Journal) Deciding(ctx context.Context, q sqldb.DB, p *Peer) (merge.Import, error) {
	rules := p.Link.Deciding(p.ID)
	resent, err := ResendEpochs(ctx, q, 0)
	if err != nil {
		return rules, err
	}
	reclaimed, err := ReclaimedEpochs(ctx, q, 0)
	rules.OwnResent = func(e uint64) bool { return slices.Contains(resent, e) }
	rules.Reclaimed = func(e uint64) bool { return slices.Contains(reclaimed, e) }
	return rules, err
}

// PairLate reports whether the rules take an alias that a person made between two files, and if so has sent again what refers to its row: some
// reports whether anything does. The caller holds the gate, and the epoch is one that resends.
func (j *Journal) PairLate(ctx context.Context, q sqldb.DB, p *Peer, rules merge.Import, a Alias, epoch uint64) (taken, some bool, err error) {
	at := slices.IndexFunc(j.Catalogue.Tables, func(t *schema.Table) bool { m := j.Tables[t.Name]; return m != nil && m.ID == a.Table })
	if at < 0 {
		return false, false, nil
	}
	t := j.Catalogue.Tables[at]
	row, found, err := j.RowOf(ctx, q, t, a.Own)
	if err != nil || !found {
		return false, false, err
	}
	here := merge.Row{Known: true, Alive: true, Groups: []merge.Group{j.Tables[t.Name].Default}}
	versions, err := Versions(ctx, q, a.Table, []Row{row}, j.Authors)
	if err != nil {
		return false, false, err
	}
	if g, ok := versions[row]; ok {
		here.Groups = g
	}
	known, err := j.KnowsKey(ctx, t, a.Their)
	if err != nil {
		return false, false, err
	}
	returned, err := HaveReturned(ctx, q, a.Table, []string{a.Own})
	if err != nil {
		return false, false, err
	}
	aliases, err := LoadAliases(ctx, q, p.ID)
	if err != nil {
		return false, false, err
	}
	_, paired := aliases.Their(a.Table, a.Own)
	_, taken = aliases.Own(a.Table, a.Their)
	sends := func(t *schema.Table) bool { return j.On(t, p).Sends() }
	x := merge.Likeness{KeyKnown: known || taken || aliases.IsOwn(a.Table, a.Their), Paired: paired, Returned: returned[a.Own], Local: here, Stays: !sends(t), Absent: true}
	if !rules.MayPair(x) {
		return false, false, nil
	}
	some, err = j.ResendReferring(ctx, q, t, []Row{row}, sends, epoch)
	return true, some, err
}

// ResendReferring gives the rows that refer to some rows of a table a new epoch that only sends again, and reports whether there are any. What
// was sent of them before names a key that a peer does not know, and waits there. sends says of a table whether its rows go to that peer.
// References that hold in some rows only count as if they held in all. The caller holds the gate, and the epoch is one that resends.
func (j *Journal) ResendReferring(ctx context.Context, q sqldb.DB, table *schema.Table, rows []Row, sends func(*schema.Table) bool, epoch uint64) (some bool, err error) {
	if table.Integer == nil {
		return false, nil
	}
	var in []string
	for _, r := range rows {
		in = append(in, fmt.Sprintf("'%d'", r.Int))
	}
	for _, ref := range table.Children {
		t := ref.From.Table
		meta := j.Tables[t.Name]
		if meta == nil || len(in) == 0 || ref.When == nil && ref.ByName() || !sends(t) {
			continue
		}
		var referring []Row
		query := fmt.Sprintf("SELECT %s FROM %s WHERE %s IN (%s)", Identity(t, ""), schema.Quote(t.Name), schema.Quote(ref.From.Name), strings.Join(in, ","))
		err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
			referring = append(referring, Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
			return nil
		})
		if err != nil {
			return false, fmt.Errorf("look for rows of %s: %w", t.Name, err)
		}
		if err := ResendRows(ctx, q, meta, referring, epoch, j.Authors); err != nil {
			return false, err
		}
		some = some || len(referring) > 0
	}
	return some, nil
}
