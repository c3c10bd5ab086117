package capture

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// SealLimit is how many changes one seal takes: what it makes of them is held in memory.
const SealLimit = 50000

// Sealed is what a seal made of the changes it read, by table: the export that it belongs to lays it over its snapshot,
// which is from before.
type Sealed struct {
	Epoch   merge.Position // zero if nothing had changed
	Changes int
	Tables  map[*schema.Table]*SealedTable
}

type SealedTable struct {
	Live map[journal.Row][]merge.Group // new entries; no groups: the row is gone
	Had  []journal.Row                 // rows whose entries are replaced
	Dead []journal.Tombstone
	Back []string // keys that have a tombstone and live again
}

// Seal stamps what the application has changed, until less than a full portion is left. It waits so long for the gate;
// journal.ErrBusy if that is not enough. It answers how many changes it took.
func Seal(ctx context.Context, j *journal.Journal, wait time.Duration) (int, error) {
	total := 0
	for {
		s, snapshot, err := SealBehindGate(ctx, j, wait)
		if err != nil {
			return total, err
		}
		snapshot.Close()
		total += s.Changes
		if s.Changes < SealLimit {
			return total, nil
		}
	}
}

// Snapshot is a connection whose reads all see one moment of the database.
type Snapshot struct{ *sql.Conn }

func (s Snapshot) Close() {
	s.ExecContext(context.Background(), "ROLLBACK")
	s.Conn.Close()
}

// SealBehindGate takes the gate on one connection, opens a snapshot on another, makes versions of the changes that the
// snapshot holds, commits them, and hands on the snapshot, which is from before that commit. A snapshot opened behind
// the gate holds all that any epoch in it wrote: no import commits and no other seal runs between.
func SealBehindGate(ctx context.Context, j *journal.Journal, wait time.Duration) (*Sealed, Snapshot, error) {
	s := Snapshot{}
	fail := func(err error) (*Sealed, Snapshot, error) {
		if s.Conn != nil {
			s.Close()
		}
		return nil, Snapshot{}, fmt.Errorf("seal: %w", err)
	}
	g, err := j.DB.Conn(ctx)
	if err != nil {
		return fail(err)
	}
	defer g.Close()
	if s.Conn, err = j.DB.Conn(ctx); err != nil {
		return fail(err)
	}
	if err := journal.Gate(ctx, g, false, wait); err != nil {
		return fail(err)
	}
	defer g.ExecContext(context.Background(), "ROLLBACK")
	for _, q := range []string{"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT"} {
		if _, err := s.ExecContext(ctx, q); err != nil {
			return fail(err)
		}
	}
	if err := j.Reload(ctx, s); err != nil {
		return fail(err)
	}
	out := &Sealed{Tables: map[*schema.Table]*SealedTable{}}
	changes, err := journal.Changes(ctx, s, SealLimit)
	if err != nil {
		return fail(err)
	}
	out.Changes = len(changes)
	if len(changes) == 0 {
		return out, s, nil
	}
	if out.Epoch, err = journal.NextEpoch(ctx, g, false, j.Now()); err != nil {
		return fail(err)
	}
	if err := out.read(ctx, j, s, changes); err != nil {
		return fail(err)
	}
	if err := out.write(ctx, j, g, changes); err != nil {
		return fail(err)
	}
	if _, err := g.ExecContext(ctx, "COMMIT"); err != nil {
		return fail(err)
	}
	return out, s, nil
}

// read makes versions of the changes, in the snapshot.
func (s *Sealed) read(ctx context.Context, j *journal.Journal, q sqldb.DB, changes []journal.Change) error {
	byTable := map[uint16][]journal.Change{}
	for _, c := range changes {
		byTable[c.Table] = append(byTable[c.Table], c)
	}
	w := &sealer{j: j, q: q, maker: merge.Stamper{Self: j.Self, Epoch: s.Epoch.Epoch}, folded: map[*schema.Table][]*journal.Folded{}, more: len(changes) == SealLimit}
	for _, t := range j.Replicated() {
		if err := w.rekeyed(ctx, t, byTable); err != nil {
			return err
		}
	}
	for _, t := range j.Replicated() {
		if cs := byTable[j.Tables[t.Name].ID]; cs != nil {
			w.folded[t] = journal.Fold(cs)
		}
	}
	for _, t := range j.Replicated() { // parents first, so that what died with its parent finds the parent's key
		if w.folded[t] == nil {
			continue
		}
		st, err := w.table(ctx, t)
		if err != nil {
			return err
		}
		s.Tables[t] = st
	}
	return nil
}

// write puts the versions into the journal and takes away the changes they were made of.
func (s *Sealed) write(ctx context.Context, j *journal.Journal, g sqldb.DB, changes []journal.Change) error {
	wrote := false
	for _, t := range j.Replicated() {
		st := s.Tables[t]
		if st == nil {
			continue
		}
		id := j.Tables[t.Name].ID
		entries := make([]journal.Entry, 0, len(st.Live))
		for r, gs := range st.Live {
			if len(gs) > 0 {
				entries = append(entries, journal.Entry{Row: r, Groups: gs})
			}
		}
		sort.Slice(entries, func(a, b int) bool {
			x, y := entries[a], entries[b]
			return x.Int < y.Int || x.Int == y.Int && x.Key < y.Key
		})
		wrote = wrote || len(entries)+len(st.Dead) > 0
		if err := journal.PutVersions(ctx, g, id, st.Had, entries, j.Authors); err != nil {
			return err
		}
		if err := journal.PutTombstones(ctx, g, id, st.Dead, j.Authors); err != nil {
			return err
		}
		if err := journal.DropTombstones(ctx, g, id, st.Back); err != nil {
			return err
		}
	}
	ids := make([]uint64, len(changes))
	for i, c := range changes {
		ids[i] = c.ID
	}
	if err := journal.DropChanges(ctx, g, ids); err != nil {
		return err
	}
	if !wrote {
		err := journal.DropEpoch(ctx, g, s.Epoch.Epoch)
		s.Epoch = merge.Position{}
		return err
	}
	return nil
}

// sealer makes versions of folded changes.
type sealer struct {
	j      *journal.Journal
	q      sqldb.DB
	maker  merge.Stamper
	folded map[*schema.Table][]*journal.Folded
	more   bool // the log has more changes than this seal reads
}

func (w *sealer) table(ctx context.Context, t *schema.Table) (*SealedTable, error) {
	jt := w.j.Tables[t.Name]
	folded := w.folded[t]
	rows := make([]journal.Row, len(folded))
	for i, f := range folded {
		rows[i] = f.Row
	}
	entries, err := journal.Versions(ctx, w.q, jt.ID, rows, w.j.Authors)
	if err != nil {
		return nil, err
	}
	here, err := rowkey.Of(ctx, w.q, t, rows)
	if err != nil {
		return nil, err
	}
	for r, k := range here {
		here[r] = journal.Canonical(t, k)
	}
	deaths, err := w.deaths(ctx, t)
	if err != nil {
		return nil, err
	}
	out := &SealedTable{Live: map[journal.Row][]merge.Group{}}
	mask := w.j.Mask(t)
	// before is what the row that had this local key when the log began was known by.
	before := func(r journal.Row) merge.Row {
		if gs := entries[r]; gs != nil {
			return merge.Row{Known: true, Alive: true, Groups: gs}
		}
		if jt.Default.Mask != 0 {
			return merge.Row{Known: true, Alive: true, Groups: []merge.Group{jt.Default}}
		}
		return merge.Row{}
	}
	// Rows that ended, by key: a key that lives on under another local key has not ended.
	ended := map[string]ending{}
	for _, f := range folded {
		for i, d := range f.Deaths {
			key := deaths[f.Row][i]
			if key == "" {
				continue
			}
			e := ended[key]
			e.at = max(e.at, d.At)
			if d.First {
				e.was = before(f.Row)
			}
			ended[key] = e
		}
	}
	alive := map[string]journal.Row{}
	for r, k := range here {
		if k != "" {
			alive[k] = r
		}
	}
	if err := w.elsewhere(ctx, t, ended, alive); err != nil {
		return nil, err
	}
	tombs, err := w.tombstones(ctx, jt.ID, folded, here, ended)
	if err != nil {
		return nil, err
	}
	for _, f := range folded {
		key, exists := here[f.Row]
		if !exists {
			if len(f.Deaths) == 0 && w.more { // the next portion tells how it went
				continue
			}
			out.Live[f.Row] = nil
			if len(f.Deaths) == 0 {
				w.j.Warn("a row of %s is gone and no trigger saw it go; the peers keep it", t.Name)
			}
			if entries[f.Row] != nil {
				out.Had = append(out.Had, f.Row)
			}
			continue
		}
		if entries[f.Row] != nil {
			out.Had = append(out.Had, f.Row)
		}
		if key == "" {
			w.j.Warn("a row of %s has nothing that identifies it elsewhere (its key is NULL or refers to nothing); it stays here alone", t.Name)
			continue
		}
		born := f.Born || len(f.Deaths) > 0
		row := before(f.Row)
		if born {
			row = ended[key].was
			if dead, ok := tombs[key]; ok { // above both: a peer's deletion may have come between the application's and this
				row.Known, row.Dead = true, dead
				out.Back = append(out.Back, key)
			}
			row = w.maker.Insert(row, mask, f.BornAt)
		} else {
			if !row.Known { // found without versions: it counts as inserted with its first edit
				row = w.maker.Insert(row, mask, f.Edits[0].At)
			}
			for _, e := range f.Edits {
				if m := e.Mask & mask &^ merge.Existence; m != 0 {
					row = w.maker.Edit(row, m, e.At)
				}
			}
		}
		out.Live[f.Row] = merge.Normalise(row.Groups)
	}
	if err := w.moved(ctx, jt.ID, ended, alive, out, mask); err != nil {
		return nil, err
	}
	for key, e := range ended {
		if _, ok := alive[key]; ok {
			continue
		}
		if !e.was.Known {
			continue // born and gone since the last seal: nobody has heard of it
		}
		dead := w.maker.Delete(e.was, e.at).Dead
		if known, ok := tombs[key]; ok && !known.Before(dead.Stamp) {
			continue // a peer's later deletion came meanwhile
		}
		out.Dead = append(out.Dead, journal.Tombstone{Key: key, Version: dead})
	}
	sort.Slice(out.Dead, func(a, b int) bool { return out.Dead[a].Key < out.Dead[b].Key })
	return out, nil
}

// ending is the last deletion of a key, and what its row was known by when the log began.
type ending struct {
	at  int64
	was merge.Row
}

// elsewhere finds keys that ended under one local key and live on under another, in rows that this log does not name.
func (w *sealer) elsewhere(ctx context.Context, t *schema.Table, ended map[string]ending, alive map[string]journal.Row) error {
	if t.Key != schema.KeyUUID {
		return nil
	}
	var look []string
	for k := range ended {
		if _, ok := alive[k]; !ok {
			look = append(look, k)
		}
	}
	sort.Strings(look)
	found, err := rowkey.ByUUID(ctx, w.q, t, look)
	for k, r := range found {
		alive[k] = r
	}
	return err
}

// moved gives versions to rows that live on under a local key whose insert a later seal will read. One that an import
// brought back meanwhile has its versions.
func (w *sealer) moved(ctx context.Context, id uint16, ended map[string]ending, alive map[string]journal.Row, out *SealedTable, mask merge.Mask) error {
	var rows []journal.Row
	of := map[journal.Row]ending{}
	for key, e := range ended {
		r, ok := alive[key]
		if _, done := out.Live[r]; ok && !done {
			rows, of[r] = append(rows, r), e
		}
	}
	had, err := journal.Versions(ctx, w.q, id, rows, w.j.Authors)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if had[r] == nil {
			out.Live[r] = w.maker.Insert(of[r].was, mask, of[r].at).Groups
		}
	}
	return nil
}

// tombstones reads the deletions known of what was inserted or has ended.
func (w *sealer) tombstones(ctx context.Context, id uint16, folded []*journal.Folded, here map[journal.Row]string, ended map[string]ending) (map[string]merge.Version, error) {
	any, err := journal.AnyTombstones(ctx, w.q, id)
	if err != nil || !any {
		return nil, err
	}
	var look []string
	for _, f := range folded {
		if k := here[f.Row]; k != "" && (f.Born || len(f.Deaths) > 0) {
			look = append(look, k)
		}
	}
	for k := range ended {
		look = append(look, k)
	}
	sort.Strings(look)
	return journal.Tombstones(ctx, w.q, id, slices.Compact(look), w.j.Authors)
}

// deaths finds the keys of the rows that ended, parallel to Folded.Deaths; "" for one that nothing identifies.
func (w *sealer) deaths(ctx context.Context, t *schema.Table) (map[journal.Row][]string, error) {
	out := map[journal.Row][]string{}
	for _, f := range w.folded[t] {
		for _, d := range f.Deaths {
			key, err := w.deadKey(ctx, t, f.Row, d)
			if err != nil {
				return nil, err
			}
			if key == "" {
				w.j.Warn("a deleted row of %s had nothing that identifies it elsewhere; the peers keep it", t.Name)
			}
			out[f.Row] = append(out[f.Row], key)
		}
	}
	return out, nil
}

// deadKey is the key that a row had when it was deleted: its own uuid, or that of its ancestors, which the log has if
// they were deleted too and the snapshot if not.
func (w *sealer) deadKey(ctx context.Context, t *schema.Table, r journal.Row, d journal.Death) (string, error) {
	values, err := deadValues(t, r, d)
	if err != nil {
		w.j.Warn("a deleted row of %s: %v; the peers keep it", t.Name, err)
		return "", nil
	}
	parts := make([]*string, len(t.KeyColumns))
	for i, c := range t.KeyColumns {
		v := values[c.Name]
		if v != nil && c.Ref != nil && !rowkey.IsName(c.Ref) {
			k, err := w.ancestor(ctx, c.Ref, *v, d)
			if err != nil {
				return "", err
			}
			v = k
		}
		parts[i] = v
	}
	return journal.Canonical(t, rowkey.Join(t, parts)), nil
}

// deadValues are the values of a deleted row's key columns, by name: from its local key, or from what the trigger wrote
// beside it.
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
	case d.UUID != nil && len(t.KeyColumns) == 1:
		values[t.KeyColumns[0].Name] = d.UUID
		return values, nil
	case d.UUID != nil:
		return values, set(t.KeyColumns, *d.UUID)
	case t.Integer != nil:
		v := fmt.Sprint(r.Int)
		values[t.Integer.Name] = &v
		return values, nil
	}
	return values, set(t.LocalColumns, r.Key)
}

// ancestor is the key of the row that a deleted row referred to.
func (w *sealer) ancestor(ctx context.Context, ref *schema.Ref, value string, d journal.Death) (*string, error) {
	r := journal.Row{Int: sqldb.Int([]byte(value))}
	for _, f := range w.folded[ref.To] {
		if f.Row != r {
			continue
		}
		for _, a := range f.Deaths { // the first that ended after the row did; a cascade logs the children first or last
			if a.ID > d.ID || len(f.Deaths) == 1 {
				k, err := w.deadKey(ctx, ref.To, r, a)
				return &k, err
			}
		}
	}
	found, err := rowkey.Of(ctx, w.q, ref.To, []journal.Row{r})
	if err != nil {
		return nil, err
	}
	if k := found[r]; k != "" {
		return &k, nil
	}
	if ref.To.Key == schema.KeyParent { // the shared key's own row is gone unseen; its ancestor may still tell
		return w.ancestor(ctx, ref.To.KeyColumns[0].Ref, value, d)
	}
	return nil, nil
}
