package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// digestLength is how many bytes stand for a conflict record.
const digestLength = 16

// readResolutions takes in those of some records that say what somebody decided about a conflict, and tells which they are. Of a conflict
// that is not recorded here a decision means nothing.
func (im *importer) readResolutions(ctx context.Context, t *sentTable, b *batch.Records) (is []bool, err error) {
	is = make([]bool, len(b.Keys))
	sent := map[string]merge.Resolution{}
	var digests []string
	keys := map[string]uint32{} // by canonical key, its place in the dictionary
	for i, k := range b.Keys {
		if b.Notes == nil {
			break
		}
		how, ok := strings.CutPrefix(b.Notes[i], batch.NoteResolution)
		if is[i] = ok; !ok {
			continue
		}
		r := merge.Resolution{How: merge.How(how), Stamp: merge.Stamp{Time: b.WonTimes[i], Author: b.WonAuthors[i]}}
		digest := string(b.Values[i])
		if len(digest) != digestLength || !r.How.Valid() || !journal.IsName(r.Author) {
			return nil, fmt.Errorf("%w: a decision about a conflict in %s that is none", batch.ErrCorrupt, t.local.Name)
		}
		if had, twice := sent[digest]; !twice || had.YieldsTo(r) {
			sent[digest] = r
		}
		digests = append(digests, digest)
		keys[im.resolver.keys.at(k).canonical()] = k
	}
	if len(digests) == 0 {
		return is, nil
	}
	own, err := im.j.OwnDigests(ctx, im.resolver.s.conn, im.resolver.aliases, t.local.Table, slices.Collect(maps.Keys(keys)))
	if err != nil {
		return nil, err
	}
	for their, digest := range own {
		if r, ok := sent[their]; ok {
			sent[digest], digests = r, append(digests, digest)
		}
	}
	return is, im.takeResolutions(ctx, t, sent, digests, keys)
}

// takeResolutions writes those decisions that the sender may make and that are later than what is decided here.
func (im *importer) takeResolutions(ctx context.Context, t *sentTable, sent map[string]merge.Resolution, digests []string, keys map[string]uint32) error {
	if err := im.writer.saveConflicts(ctx); err != nil { // those that they are about
		return err
	}
	known, err := journal.ConflictsOf(ctx, im.resolver.s.conn, digests)
	if err != nil {
		return err
	}
	may, err := im.maySettle(ctx, t.local, keys)
	if err != nil {
		return err
	}
	var out []journal.ConflictResolution
	refused := 0
	for _, c := range known {
		if _, named := keys[c.Key]; !named || c.Table != t.local.Name || !t.takesConflict(c.Conflict) || !may(c.Key) {
			refused++
			continue
		}
		if r := sent[c.Digest]; im.rules.TakesResolution(c.Resolution.Resolution, r) {
			out = append(out, journal.ConflictResolution{Digest: c.Digest, Resolution: r, Epoch: im.epoch.Epoch, From: im.peer.ID})
		}
	}
	if refused > 0 {
		im.notes.add("%d decisions about conflicts in %s are left out: %s may not settle them", refused, t.local.Name, im.peer.Name)
	}
	if len(out) == 0 {
		return nil
	}
	im.epoch.used = true
	if err := im.writer.meter.use(access.Conflicts, len(out)); err != nil {
		return err
	}
	return journal.PutResolutions(ctx, im.resolver.s.conn, out)
}

// maySettle returns a function that tells by a row's key whether the sender may settle conflicts of it.
func (im *importer) maySettle(ctx context.Context, l *localTable, keys map[string]uint32) (func(string) bool, error) {
	if !l.rules.AsksWhoAdded() { // it is the same for every row
		may := l.rules.TakesResolution(merge.Row{Known: true, Alive: true}, access.Added{})
		return func(string) bool { return may }, nil
	}
	var places []uint32
	for _, k := range keys {
		places = append(places, k)
	}
	w, err := im.resolver.locateDeleted(ctx, l, places, nil)
	if err != nil {
		return nil, err
	}
	var dead []string
	for i, k := range w.known {
		if !k.Alive {
			dead = append(dead, w.keys[i])
		}
	}
	added, err := journal.DeletedAuthors(ctx, im.resolver.s.conn, l.journal.ID, dead)
	if err != nil {
		return nil, err
	}
	may := map[string]bool{}
	for i, k := range w.known {
		by, is := added[w.keys[i]]
		may[w.keys[i]] = l.rules.TakesResolution(k, access.Added{Known: is, By: by})
	}
	return func(key string) bool { return may[key] }, nil
}
