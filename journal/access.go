package journal

import (
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
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
	names, bits := j.Profile.Names(t.Name), jt.bits()
	var excludedUp, secret, login, insertOnly merge.MaskBuilder
	for _, c := range t.Columns {
		bit := bits[c.Name]
		if bit == 0 {
			continue
		}
		if j.ExcludedUp(t, c) {
			excludedUp.Add(bit)
		}
		if j.Secret(t, c) {
			secret.Add(bit)
		}
		if names != nil && t.Integer != nil && slices.ContainsFunc(names.Columns, func(n string) bool { return strings.EqualFold(n, c.Name) }) {
			login.Add(bit)
		}
		if c.InsertOnly {
			insertOnly.Add(bit)
		}
	}
	a.ExcludedUp, a.Secret, a.Names, a.InsertOnly = excludedUp.Mask(), secret.Mask(), login.Mask(), insertOnly.Mask()
	return a
}

// KeepsWhole reports whether rows of a table that the application deletes are to be kept whole: those that a peer's rows may refer to and
// that come back then.
func (j *Journal) KeepsWhole(t *schema.Table) bool {
	return t.Replicated && !j.KeepNone && access.On(j.Access(t), 0, access.Child).ReturnsRows()
}

// OwnerColumns returns the columns by which rows of a table say whose they are, as far as a row's local id or key does not say it: of
// a row that is gone, or refers to others now, nobody knows any more what they held. They hold integers.
func (j *Journal) OwnerColumns(t *schema.Table) (out []*schema.Column) {
	owners, err := j.Catalogue.Owners()
	if err != nil || owners.Of(t).Kind != schema.Owned || !t.Replicated {
		return nil
	}
	for _, c := range owners.Of(t).Columns() {
		if c.IsInteger() && c != t.Integer && (t.Integer != nil || !slices.Contains(t.LocalColumns, c)) {
			out = append(out, c)
		}
	}
	return out
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
