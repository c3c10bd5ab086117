package journal

import (
	"context"
	"slices"
	"strconv"

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
// The caller holds the gate, and the epoch is one that resends.
func (j *Journal) ResendReferring(ctx context.Context, q sqldb.DB, table *schema.Table, rows []Row, sends func(*schema.Table) bool, epoch uint64) (some bool, err error) {
	if table.Integer == nil {
		return false, nil
	}
	var values [][]byte
	for _, r := range rows {
		values = append(values, strconv.AppendInt(nil, r.Int, 10))
	}
	for _, ref := range table.Children {
		t := ref.From.Table
		meta := j.Tables[t.Name]
		if meta == nil || len(values) == 0 || ref.ByName() || !sends(t) {
			continue
		}
		var referring []Row
		err := Referrers(ctx, q, ref, table, values, func(row Row, _ string) { referring = append(referring, row) })
		if err != nil {
			return false, err
		}
		if err := ResendRows(ctx, q, meta, referring, epoch, j.Authors); err != nil {
			return false, err
		}
		some = some || len(referring) > 0
	}
	return some, nil
}
