package apply

import (
	"context"

	"github.com/google/uuid"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// own returns the key here of the row that the sender's key means, and whether the two are other keys. Everything that a batch says goes through
// here when its keys are taken into the dictionary, so that nothing else knows of aliases.
func (v *resolver) own(root *localTable, key string) (string, bool) { return v.means(root, key, true) }

// ownSince is own for a key that went through it before, and may be one here already: it may have been found out since which row it is.
func (v *resolver) ownSince(root *localTable, key string) (string, bool) {
	return v.means(root, key, false)
}

func (v *resolver) means(root *localTable, key string, theirs bool) (string, bool) {
	if root == nil || root.journal == nil || !v.aliases.Any(root.journal.ID) || !journal.HasAliases(root.Table) {
		return key, false
	}
	id := root.journal.ID
	their := journal.Canonical(root.Table, key)
	own, known := v.aliases.Own(id, their)
	if known && !v.aliases.Carried(id, their) {
		return own, true
	}
	k := merge.KeyOf{Own: v.aliases.IsOwn(id, their), Others: known, Carries: v.carries}
	if theirs {
		other, paired := v.aliases.Their(id, their)
		k.OwnPaired = paired && other != their
	}
	if known {
		_, k.OthersPaired = v.aliases.Their(id, own)
	}
	switch merge.Names(k) {
	case merge.SameKey:
		if theirs && k.Own {
			v.aliases.Met(id, their)
		}
		return key, false
	case merge.AnotherKey:
		if !root.KeyColumns[0].UUIDColumn {
			return key, false
		}
		own = uuid.NewString()
	}
	v.addAlias(journal.Alias{Peer: v.peer.ID, Table: id, Their: their, Own: own, From: journal.AliasCarried, At: v.j.Now().UnixMicro()})
	return own, true
}

// ownOfColumn is own for a text that is the key of the row which a column refers to.
func (v *resolver) ownOfColumn(c *schema.Column, key string) string {
	if c.Ref == nil {
		return key
	}
	targets := []*schema.Table{c.Ref.To}
	if c.Ref.When != nil {
		targets = c.Ref.Targets()
	}
	for _, t := range targets {
		if own := v.ownNested(t.Root, key); own != key {
			return own
		}
	}
	return key
}

// ownNested is own for a key that may be made of others' keys.
func (v *resolver) ownNested(root *schema.Table, key string) string {
	return journal.MapKey(root, key, func(t *schema.Table, key string) string {
		own, _ := v.ownSince(v.table(t), key)
		return own
	})
}

// callByOwnKeys gives conflict records the keys here: those that came before their row was recognised have the sender's.
func (v *resolver) callByOwnKeys(conflicts []journal.Conflict) {
	if v.aliases.None() {
		return
	}
	for i := range conflicts {
		c := &conflicts[i]
		t := v.j.Catalogue.Table(c.Table)
		if t == nil {
			continue
		}
		c.Key = v.ownNested(t.Root, c.Key)
		if column := t.Column(c.Column); column != nil && c.Value != nil {
			value := v.ownOfColumn(column, *c.Value)
			c.Value = &value
		}
	}
}

func (v *resolver) addAlias(a journal.Alias) {
	v.aliases.Add(a)
	v.newAliases = append(v.newAliases, a)
}

// saveAliases stores the aliases that were made.
func (v *resolver) saveAliases(ctx context.Context) error {
	made := v.newAliases
	v.newAliases = nil
	return journal.PutAliases(ctx, v.s.conn, made)
}

// noteReturned notes a row that came back, or stays in spite of a deletion.
func (im *importer) noteReturned(l *localTable, key string, before, after merge.Row) {
	if !merge.Returned(before, after) || !im.j.Recognises(l.Table) {
		return
	}
	if im.returned == nil {
		im.returned = map[uint16][]string{}
	}
	im.returned[l.journal.ID] = append(im.returned[l.journal.ID], key)
}

// saveReturned stores what was noted.
func (im *importer) saveReturned(ctx context.Context) error {
	for t, keys := range im.returned {
		if err := journal.NoteReturned(ctx, im.writer.s.conn, t, keys, im.j.Now().UnixMicro()); err != nil {
			return err
		}
	}
	im.returned = nil
	return nil
}
