package journal

import (
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/schema"
)

// Access returns what the profile says of who may send what of a table, in the bits of its columns. A table that the journal does
// not know has no bits. It looks at every pattern of the profile for columns: ask once for a table, not for a row.
func (j *Journal) Access(t *schema.Table) access.Table {
	a := access.Table{Direction: t.Direction, Rights: t.Rights, Code: t.Code}
	switch released := j.Profile.Released(); {
	case slices.Contains(released, schema.AllRoles):
		a.Secrets = access.AllSecrets
	case len(released) > 0:
		a.Secrets = access.SomeSecrets
	}
	jt := j.Tables[t.Name]
	if jt == nil {
		return a
	}
	names := j.Profile.Names(t.Name)
	for _, c := range t.Columns {
		if j.ExcludedUp(t, c) {
			a.ExcludedUp |= jt.Bit(c.Name)
		}
		if j.Secret(t, c) {
			a.Secret |= jt.Bit(c.Name)
		}
		if names != nil && t.Integer != nil && slices.ContainsFunc(names.Columns, func(n string) bool { return strings.EqualFold(n, c.Name) }) {
			a.Names |= jt.Bit(c.Name)
		}
		if c.InsertOnly {
			a.InsertOnly |= jt.Bit(c.Name)
		}
	}
	return a
}

// KeepsWhole reports whether rows of a table that the application deletes are to be kept whole: those that a peer's rows may refer to and
// that come back then.
func (j *Journal) KeepsWhole(t *schema.Table) bool {
	return t.Replicated && !j.KeepNone && access.On(j.Access(t), 0, access.Child).ReturnsRows()
}

// LeftOut returns whether a column is left out of what is sent to a peer, or of what is taken from it, by name: columns past the 62nd share
// a bit, and who acts on [access.Rules.SendsNot] or [access.Rules.TakesNot] asks this too.
func (j *Journal) LeftOut(t *schema.Table, p *Peer, sent bool) func(*schema.Column) bool {
	w, _ := j.Way(t, p)
	up := sent == (p.Role == access.Parent)
	return func(c *schema.Column) bool {
		if up {
			return j.ExcludedUp(t, c) || named(w.NotUp, c)
		}
		return sent && j.Secret(t, c) || named(w.NotDown, c)
	}
}

// ExcludedUp reports whether the profile leaves a column out of what goes to a parent.
func (j *Journal) ExcludedUp(t *schema.Table, c *schema.Column) bool {
	x := j.Profile.Excluded(t.Name, c.Name)
	return x == schema.ExcludeUp || x == schema.ExcludeSecret
}

// Secret reports whether a column's values go to children as far as they are released, and nowhere else.
func (j *Journal) Secret(t *schema.Table, c *schema.Column) bool {
	return j.Profile.Excluded(t.Name, c.Name) == schema.ExcludeSecret
}
