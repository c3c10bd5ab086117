package export

import (
	"context"
	"errors"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/headers"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// plan is what is to be sent to whom. It is settled before anything is written.
type plan struct {
	j           *journal.Journal
	snap        *capture.Snapshot
	peer        *journal.Peer // as the snapshot has it
	history     *merge.History
	head        merge.Header   // of every file, but for which part it is; Load is 0 unless it is a full load in parts
	features    features.Known // what this program reads and writes
	manyColumns bool           // the peer reads batch.ManyColumns
	sections    bool           // files have sections
	window      *window        // what changed, if that was read
	resent      []uint64       // epochs that only send again, those of owed tables too
	mending     []uint64       // epochs in which rows were claimed, as far as there is room for them
	tables      []*table       // those whose rows go, referred ones first
	known       map[*schema.Table]*table
	silent      bool             // nothing but a header goes: see merge.Link.ListensFirst
	aliases     *journal.Aliases // the peer's keys
	match       bool             // the file is for matching, and holds only these columns
	proof       proof            // it is a digest of rows, or rows are compared with one
	noted       noted
	only        map[*schema.Table][]*schema.Column
	left        leftOut          // what no batch takes
	told        *batch.RulesItem // how tables may go, for a peer that has not heard it; nil: it has, or is not told
	unsent      *unsent          // rows that stay here for now
	scopes      scoping
	waits       []journal.ReasonCount // of rows of the peer that wait here
	health      *batch.Health         // what a parent is told of this node; nil: nothing
	cards       []string              // what headers say of the two nodes' keys
	schema      string                // the fingerprint of the catalogue; "": nobody has asked
	unread      []string              // features of which the peer is not told that they are read

	asks func(func() error) error // while rows are read beside: has what needs the snapshot done between two pages; nil: nobody reads
}

// ask has a function done that needs the snapshot.
func (p *plan) ask(f func() error) error {
	if p.asks == nil {
		return f()
	}
	return p.asks(f)
}

// table is what goes to the peer of one table that the journal knows.
type table struct {
	*schema.Table
	meta     *journal.Table
	rules    access.Rules
	columns  []*schema.Column
	lookedAt []*schema.Column       // columns that are not sent, and that the filters look at
	mask     merge.Mask             // a row's existence and columns
	secret   []bool                 // by column: goes with rows that are released alone; nil: there is none
	release  map[int64]bool         // the integers of those rows
	kept     map[journal.Row]bool   // rows whose deletion by the peer was refused here, where that lets them go; nil if there are none
	filters  journal.Filters        // of rows that stay here
	waiting  bool                   // versions of the peer wait of some of its rows
	refused  map[journal.Row]uint64 // rows of which the peer's version was refused, each with the epoch of that: the peer is sent them as they are here
	policies []string               // columns that tell a child by what its conflicts with this node are decided
	match    bool                   // the file is for matching: rows go without their integers and the versions of columns
	owed     uint64                 // the peer asked for the table, which goes whole as from this epoch; 0: it has what is new
	lost     bool                   // the peer has nothing of the table, or has lost it
	staff    *staff                 // rows that go although the table goes up only; nil: there are none
	knows    merge.Peer             // the peer, which has what came from it; nobody, if it has lost the table
	picks    func(merge.Row) bool   // of a digest, which rows are compared; nil: it is none
}

// base is the epoch from which on the peer lacks what there is of the table.
func (t *table) base(ofBatch uint64) uint64 {
	if t.owed != 0 {
		return 0
	}
	return ofBatch
}

// as returns what is known of a row as it goes to the peer: as news if the peer's version of it was refused; with the epoch that only sends
// again if the table is owed.
func (p *plan) as(t *table, row journal.Row, known merge.Row) merge.Row {
	switch at, ok := t.refused[row]; {
	case ok:
		return known.Refused(at, p.peer.ID)
	case t.owed != 0:
		return known.Again(t.owed)
	}
	return known
}

func makePlan(ctx context.Context, j *journal.Journal, snap *capture.Snapshot, peer string, o Options) (*plan, error) {
	p := &plan{j: j, snap: snap, features: o.Features, unread: o.Unread, cards: o.Cards, known: map[*schema.Table]*table{}, left: leftOut{}, match: o.Match != nil, only: o.Match, health: o.Health}
	full, err := p.meet(ctx, peer, merge.ExportRequest{Full: o.Full || p.match, SinceSent: o.SinceSent, Now: j.Now().UnixMicro()})
	if err != nil {
		return nil, err
	}
	silent, err := p.readScopes(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.sayScopes(); err != nil {
		return nil, err
	}
	if silent || p.peer.Role == access.Parent && !p.match && p.peer.Link.ListensFirst() && !o.BeforeLoad && !o.SinceSent && slices.ContainsFunc(j.Replicated(), j.Recognises) {
		p.silent, p.head.Upto, p.unsent = true, p.head.Base, &unsent{}
		return p, nil
	}
	if full && o.PartSize > 0 && !p.match {
		p.head.Load = journal.Random()
	}
	p.manyColumns = slices.Contains(p.needed().Writable(p.peer.Heard).Names(), features.ManyColumns)
	if p.resent, err = journal.ResendEpochs(ctx, snap, p.head.Base.Epoch); err != nil {
		return nil, err
	}
	if p.mending, err = journal.MendingEpochs(ctx, snap, p.head.Base.Epoch); err != nil {
		return nil, err
	}
	if n := len(p.mending); n > batch.MaxMends {
		p.mending = p.mending[n-batch.MaxMends:]
	}
	if err := p.addTables(ctx, o); err != nil {
		return nil, err
	}
	for _, t := range p.tables {
		if t.owed != 0 {
			p.resent = append(p.resent, t.owed)
		}
	}
	slices.Sort(p.resent)
	p.resent = slices.Compact(p.resent)
	p.told = p.rulesToTell()
	return p, p.findUnsent(ctx)
}

// meet reads who the peer is and what is known of it, and plans the header. full: it is one of a full load.
func (p *plan) meet(ctx context.Context, peer string, want merge.ExportRequest) (full bool, err error) {
	var unread error
	if _, p.history, err = journal.LoadHistory(ctx, p.snap, &unread); err != nil {
		return false, err
	}
	if p.peer, err = journal.PeerByName(ctx, p.snap, peer, false); err != nil {
		return false, err
	}
	if p.peer == nil {
		return false, errors.New("no peer of that name: see omsync peer list")
	}
	p.head, full = merge.PlanExport(p.history, &p.peer.Link, want)
	if unread != nil {
		return false, unread
	}
	if p.head.Upto, err = p.snap.Last(ctx); err != nil {
		return false, err
	}
	p.aliases, err = journal.LoadAliases(ctx, p.snap, p.peer.ID)
	return full, err
}

// addTables settles what goes of each table.
func (p *plan) addTables(ctx context.Context, o Options) error {
	for _, t := range p.j.Catalogue.Tables {
		if meta := p.j.Tables[t.Name]; meta != nil {
			p.known[t] = p.newTable(t, meta)
		}
	}
	waiting, err := journal.WaitingTables(ctx, p.snap, p.peer.ID)
	if err != nil {
		return err
	}
	refused, err := journal.Refused(ctx, p.snap, p.peer.ID, p.head.Base.Epoch)
	if err != nil {
		return err
	}
	if len(waiting) > 0 {
		if p.waits, err = journal.WaitingReasons(ctx, p.snap, p.peer.ID); err != nil {
			return err
		}
	}
	if err := p.findKept(ctx); err != nil {
		return err
	}
	for _, t := range p.j.Replicated() {
		t := p.known[t]
		t.refused = refused[t.meta.ID]
		if p.peer.Role == access.Child && o.Policies != nil {
			t.tellPolicies(o.Policies(t.meta))
		}
		t.waiting = waiting[t.meta.ID]
		if t.secret != nil {
			if err := p.findReleased(ctx, t); err != nil {
				return err
			}
		}
		if (t.rules.Sends() || t.kept != nil || t.rules.SendsBack()) && (!p.match || p.only[t.Table] != nil) {
			p.tables = append(p.tables, t)
		}
	}
	return p.findStaff(ctx)
}

func (p *plan) newTable(t *schema.Table, meta *journal.Table) *table {
	out := &table{Table: t, meta: meta, rules: p.j.On(t, p.peer), filters: p.j.Filters(t, p.peer),
		owed: p.peer.Owes(t.Name, p.head.Base.Epoch), match: p.match, knows: p.peer.ID}
	if out.owed != 0 && p.peer.Owed[t.Name].Lost {
		out.knows = merge.NoPeer
	}
	out.lost = p.head.Base == (merge.Position{}) || out.owed != 0 && out.knows == merge.NoPeer
	if p.match || out.lost && out.rules.SendsBack() { // matching compares what came from the peer too
		out.knows = merge.NoPeer
	}
	excluded := p.excluded(out.rules)
	var mask merge.MaskBuilder
	mask.Add(merge.Existence)
	for _, c := range p.j.Columns(t) {
		if p.match && !slices.Contains(p.only[t], c) {
			continue
		}
		bit := meta.Bit(c.Name)
		if excluded.Has(bit) {
			continue
		}
		out.columns = append(out.columns, c)
		if !p.match {
			mask.Add(bit)
		}
	}
	out.mask = mask.Mask()
	for _, c := range out.filters.Columns(t) {
		if !slices.Contains(out.columns, c) && !slices.Contains(t.KeyColumns, c) {
			out.lookedAt = append(out.lookedAt, c)
		}
	}
	out.markSecrets()
	return out
}

// needed returns the features that the node has a use for.
func (p *plan) needed() features.Known {
	return p.features.Needed(p.j.HasManyColumns(), p.scopes.speaks)
}

// writes returns the features that a file to the peer says it needs. sections: it has some.
func (p *plan) writes(sections bool) features.Known {
	return slices.DeleteFunc(p.needed().Writable(p.peer.Heard), func(f features.Feature) bool { return f.Name == features.Sections && !sections })
}

// findKept finds the rows of which the peer's deletion was refused here, because something that may go up refers to them.
func (p *plan) findKept(ctx context.Context) error {
	keeps := func(t *table) bool { return t.rules.SendsKept() && t.Key == schema.KeyUUID }
	var numbers []uint16
	for _, t := range p.j.Replicated() {
		if t := p.known[t]; keeps(t) {
			numbers = append(numbers, t.meta.ID)
		}
	}
	keys, err := journal.RefusedDeletions(ctx, p.snap, numbers, p.head.Base.Epoch)
	if err != nil {
		return err
	}
	for _, t := range p.j.Replicated() {
		t := p.known[t]
		if !keeps(t) || len(keys[t.meta.ID]) == 0 {
			continue
		}
		rows, err := rowkey.ByUUID(ctx, p.snap, t.Table, keys[t.meta.ID])
		if err != nil {
			return err
		}
		for _, r := range rows {
			if t.kept == nil {
				t.kept = map[journal.Row]bool{}
			}
			t.kept[r] = true
		}
	}
	return nil
}

// header returns the header of a file.
func (p *plan) header(head merge.Header) *batch.Header {
	h := headers.FromRules(head)
	if p.schema == "" {
		p.schema = p.j.Catalogue.Fingerprint()
	}
	h.Sender, h.Receiver, h.Schema, h.Time = p.j.Self, p.peer.Name, p.schema, p.j.Now().UnixMicro()
	said := h.Requests
	used := p.writes(p.sections)
	if !p.peer.Link.NamesShort(head) {
		used = used.Without(features.ShortKeys)
	}
	unread := p.unread
	if p.scopes.filters { // see access.Rules.NamesShort
		unread = append(slices.Clone(unread), features.ShortKeys)
	}
	h.Resent, h.Requests = p.resent, headers.Requests(p.peer.ResendRequests(), p.features.Without(unread...), used)
	if len(h.Requests)+len(said) <= batch.MaxTables {
		h.Requests = append(h.Requests, said...)
	}
	for _, e := range p.mending {
		h.Requests = append(h.Requests, batch.Mends(e))
	}
	if len(h.Requests)+len(p.cards) <= batch.MaxTables { // all or none: half a card is none
		h.Requests = append(h.Requests, p.cards...)
	}
	for _, c := range p.waits { // the peer is told as far as there is room
		if len(h.Requests) < batch.MaxTables {
			h.Requests = append(h.Requests, batch.Waits{Reason: string(c.Reason), Rows: uint64(c.Rows)}.String())
		}
	}
	if p.peer.Role == access.Parent {
		h.SayHealth(p.health)
	}
	switch {
	case p.proof == proves:
		h.Resent, h.Requests = nil, []string{batch.DigestNeed}
	case p.match:
		h.Resent, h.Requests = nil, []string{batch.MatchNeed}
	}
	return h
}
