package capture

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/capture/trigger"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Reconciled is what a change of the schema, or of the triggers, made necessary.
type Reconciled struct {
	Triggers []string // tables whose triggers were made or made again
	New      []string // tables that are captured for the first time
	Columns  []string // columns that were not there before, as table.column
	Widened  []string // tables that go further than before, with more columns, or with keys where numbers were sent: they are sent again
	Narrowed []string // tables that went up before, and do not now
	Missed   []string // tables whose triggers had been missing: changes may have gone by
	Replaced []string // tables that were dropped and made again: what peers have of them counts

	Seen *Seen // that all triggers are as they should be, for the next [LookAhead]; nil: they were not
}

// Reconcile brings triggers, column bits and versions in line with the catalogue. Where nothing has changed it reads the names of the
// triggers and writes nothing. It waits so long for the gate, if it needs it; [journal.ErrBusy] if that is not enough.
func Reconcile(ctx context.Context, j *journal.Journal, wait time.Duration) (*Reconciled, error) {
	return ReconcileWith(ctx, j, nil, wait)
}

// ReconcileWith is Reconcile with what was asked ahead; nil, or too long ago: it asks itself.
func ReconcileWith(ctx context.Context, j *journal.Journal, ahead *Ahead, wait time.Duration) (*Reconciled, error) {
	return reconcile(ctx, &reconciler{j: j, ahead: ahead}, wait)
}

func reconcile(ctx context.Context, r *reconciler, wait time.Duration) (*Reconciled, error) {
	if err := r.register(ctx); err != nil { // before the triggers that write the numbers and bits
		return nil, err
	}
	same, err := r.asSeen(ctx)
	if err != nil {
		return nil, err
	}
	if same {
		r.found.Seen = r.ahead.seen
		return &r.found, nil
	}
	if err := r.installTriggers(ctx); err != nil {
		return nil, err
	}
	if len(r.changed)+len(r.found.Missed)+len(r.found.Replaced) > 0 {
		if err := r.restamp(ctx, wait); err != nil {
			return &r.found, err
		}
	}
	if err := r.saveMade(ctx); err != nil {
		return &r.found, err
	}
	r.warnNarrowed()
	return &r.found, nil
}

// WrongTriggers names the tables on which a trigger lacks, or has another text or an account that cannot do what it does: the next
// command that changes the node puts that right. It changes nothing. Where tables are new, it names those alone.
func WrongTriggers(ctx context.Context, j *journal.Journal) ([]string, error) {
	var fresh []string
	for _, t := range j.Catalogue.Order() {
		if j.Tables[t.Name] == nil {
			fresh = append(fresh, t.Name)
		}
	}
	if len(fresh) > 0 {
		return fresh, nil
	}
	missing, outdated, err := trigger.Compare(ctx, j.DB, j.Catalogue, watched(j))
	wrong := append(missing, outdated...)
	slices.Sort(wrong)
	return slices.Compact(wrong), err
}

// watched returns the journal's tables for the triggers, with what these note besides the changes: what is deleted whole, and whose rows were.
func watched(j *journal.Journal) []*journal.Table {
	for _, t := range j.Replicated() {
		j.Tables[t.Name].Whole, j.Tables[t.Name].Owners = j.KeepsWhole(t), j.OwnerColumns(t)
	}
	return slices.Collect(maps.Values(j.Tables))
}

// warnNarrowed tells of tables that go up no more: a site may have relied on it.
func (r *reconciler) warnNarrowed() {
	if len(r.found.Narrowed) > 0 && r.j.Warn != nil {
		r.j.Warn("%s: what a clinic changes in these tables does not go to its parent any more; to send it as before, name them in a profile of your own under [direction], in both, at both ends of the link",
			strings.Join(r.found.Narrowed, ", "))
	}
}

// reconciler is a reconciliation under way.
type reconciler struct {
	j       *journal.Journal
	ahead   *Ahead
	missed  bool // changes of any table may have gone by, whatever triggers there are
	found   Reconciled
	want    *trigger.Wanted         // what triggers there should be
	on      []trigger.Found         // what triggers there are, as they were read last
	made    map[string]journal.Made // which tables there are, likewise
	changed []*schema.Table         // those whose line in the journal is to be written
	gained  map[string][]string     // by table, those columns
	asked   []string                // tables that every peer is to send again, for new columns of theirs

	others map[string][]uint16 // by table: the numbers of those of which it was a copy's
}

// register gives new tables and columns their numbers and bits, and compares how tables flow with how they flowed.
func (r *reconciler) register(ctx context.Context) error {
	for _, t := range r.j.Catalogue.Order() {
		meta := r.j.Tables[t.Name]
		if meta == nil {
			var err error
			if meta, err = r.adopt(ctx, t); err != nil {
				return err
			}
		}
		if meta == nil {
			meta = &journal.Table{Name: t.Name, Fresh: true}
			r.j.Tables[t.Name] = meta
		}
		grown := meta.ID == 0
		for _, c := range t.Columns {
			if journal.HasBit(c) && meta.Assign(c.Name, c.FullType) {
				grown = true
			}
		}
		if grown {
			if err := journal.SaveColumns(ctx, r.j.DB, meta); err != nil {
				return err
			}
		}
		r.compareFlow(t, meta)
	}
	return nil
}

// adopt returns what the journal knows of a table under a name that differs in nothing but small letters and capitals, from which no table
// is called any more: the database was moved to a server that keeps names in another way. nil: nothing.
func (r *reconciler) adopt(ctx context.Context, t *schema.Table) (*journal.Table, error) {
	for name, meta := range r.j.Tables {
		if !strings.EqualFold(name, t.Name) || r.j.Catalogue.Named(name) != t || r.j.Catalogue.Table(name) != nil && r.j.Catalogue.Table(name).Name == name {
			continue
		}
		if err := journal.RenameTable(ctx, r.j.DB, meta, t.Name); err != nil {
			return nil, err
		}
		delete(r.j.Tables, name)
		r.j.Tables[t.Name] = meta
		return meta, nil
	}
	return nil, nil
}

// compareFlow notes what is new about a table: the table itself, that it goes further, columns.
func (r *reconciler) compareFlow(t *schema.Table, meta *journal.Table) {
	flow := flowOf(r.j, t)
	if reflect.DeepEqual(flow, meta.Flow) && !meta.Fresh && !meta.Grown() {
		return
	}
	r.changed = append(r.changed, t)
	switch {
	case meta.Fresh:
		r.found.New = append(r.found.New, t.Name)
	case widened(meta.Flow, flow):
		r.found.Widened = append(r.found.Widened, t.Name)
	case narrowed(meta.Flow, flow):
		r.found.Narrowed = append(r.found.Narrowed, t.Name)
	}
	markFreed(t, meta, flow)
	meta.Flow = flow
	for _, c := range meta.Columns {
		if c.New && t.Column(c.Name) != nil {
			r.found.Columns = append(r.found.Columns, t.Name+"."+c.Name)
			r.asked = append(r.asked, t.Name)
			if r.gained == nil {
				r.gained = map[string][]string{}
			}
			r.gained[t.Name] = append(r.gained[t.Name], c.Name)
		}
	}
}

// flowOf returns how a table flows by the profile as it is now.
func flowOf(j *journal.Journal, t *schema.Table) journal.Flow {
	f := journal.Flow{Direction: j.Access(t).Flows().String()}
	for _, c := range t.Columns {
		if c.Ref != nil && c.Ref.Beside && !c.Key && c.Excluded == "" {
			f.Beside = append(f.Beside, c.Name)
		}
		switch {
		case !journal.HasBit(c):
		case c.Excluded != "":
			f.Excluded = append(f.Excluded, c.Name)
		case j.ExcludedUp(t, c):
			f.ExcludedUp = append(f.ExcludedUp, c.Name)
			if released := j.Profile.Released(); len(released) > 0 && j.Secret(t, c) {
				f.Released = slices.Sorted(slices.Values(released))
			}
		}
	}
	return f
}

// widened reports whether a table goes further than it did, or with more columns, or with keys where numbers were sent.
func widened(was, is journal.Flow) bool {
	before, known := access.ParseDirection(was.Direction)
	now, _ := access.ParseDirection(is.Direction)
	if known && before.WidensTo(now) || !known && now != access.None {
		return true
	}
	if slices.ContainsFunc(is.Beside, func(c string) bool { return !slices.Contains(was.Beside, c) }) {
		return true
	}
	if slices.ContainsFunc(is.Released, func(role string) bool { return !slices.Contains(was.Released, role) }) {
		return true
	}
	return slices.ContainsFunc(was.ExcludedUp, func(c string) bool { return !slices.Contains(is.ExcludedUp, c) && !slices.Contains(is.Excluded, c) })
}

// narrowed reports whether rows of a table that a child changed went to its parent, and do not now.
func narrowed(was, is journal.Flow) bool {
	before, known := access.ParseDirection(was.Direction)
	now, _ := access.ParseDirection(is.Direction)
	return known && before.NarrowsTo(now)
}

// markFreed marks columns that were excluded and are no more: like new ones, they have no versions.
func markFreed(t *schema.Table, meta *journal.Table, is journal.Flow) {
	for _, name := range meta.Flow.Excluded {
		for i, c := range meta.Columns {
			if c.Name == name && !slices.Contains(is.Excluded, name) && t.Column(name) != nil {
				meta.Columns[i].New = true
			}
		}
	}
}

// metas are the journal's tables, as the triggers need them.
func (r *reconciler) metas() []*journal.Table { return watched(r.j) }

// asSeen reports whether the database has the triggers that it should have since they were seen last, and nothing else is new either.
func (r *reconciler) asSeen(ctx context.Context) (bool, error) {
	var err error
	if r.want, err = trigger.Want(r.j.Catalogue, r.metas()); err != nil {
		return false, err
	}
	if err := r.ask(ctx); err != nil {
		return false, err
	}
	if r.ahead.triggers != nil {
		return false, nil
	}
	if !r.missed && len(r.changed) == 0 && r.ahead.seen.Wanted == r.want.Digest() {
		return true, nil
	}
	r.ahead = LookAhead(ctx, r.j.DB, r.j.Catalogue.Database, nil)
	return false, r.ahead.wait(ctx)
}

// ask waits for what was asked ahead, or asks now.
func (r *reconciler) ask(ctx context.Context) error {
	if r.ahead == nil {
		r.ahead = LookAhead(ctx, r.j.DB, r.j.Catalogue.Database, nil)
	} else if r.ahead.isOld() {
		r.ahead = LookAhead(ctx, r.j.DB, r.j.Catalogue.Database, r.ahead.seen)
	}
	return r.ahead.wait(ctx)
}

// installTriggers makes the triggers that are missing or outdated, and notes the tables whose changes may have gone by.
func (r *reconciler) installTriggers(ctx context.Context) error {
	if err := r.look(ctx); err != nil {
		return err
	}
	found, before := r.on, r.ahead
	if err := r.findReplaced(ctx, found); err != nil {
		return err
	}
	c, err := r.j.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	whole, err := trigger.Guard(ctx, c, r.j.Catalogue.Database, before.triggers)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(found, func(f trigger.Found) bool { return f.Missing || f.Outdated }) {
		if r.found.Triggers, err = trigger.Install(ctx, c, r.j.Catalogue, r.metas()); err != nil {
			return err
		}
		r.ahead = nil
		if err := r.ask(ctx); err != nil {
			return err
		}
		if err := r.look(ctx); err != nil {
			return err
		}
	} else if whole && before.server != (trigger.Server{}) {
		r.found.Seen = &Seen{Server: before.server, Wanted: r.want.Digest(), At: before.began}
	}
	if err := r.sortMissed(ctx, found); err != nil {
		return err
	}
	if len(r.changed)+len(r.found.Missed)+len(r.found.Replaced) > 0 {
		r.found.Seen = nil
	}
	return nil
}

// look compares the triggers and tables that there are with those that there should be.
func (r *reconciler) look(ctx context.Context) (err error) {
	if r.on, err = trigger.Look(ctx, r.j.DB, r.want, r.ahead.triggers); err != nil {
		return err
	}
	r.made = maps.Clone(r.ahead.made)
	for _, f := range r.on {
		m := r.made[f.Table]
		m.Triggers = f.Made
		r.made[f.Table] = m
	}
	return nil
}
