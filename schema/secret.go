package schema

import "slices"

// SecretColumns are columns of a table whose values leave the database only for children, and only of rows that have a role which
// [Profile.Release] names.
type SecretColumns struct {
	Columns []string
	Roles   string // table whose rows give a row a role; empty: rows have none
	Row     string // column of Roles that holds the row's local id
	Role    string // column of Roles that holds the role
}

// AllRoles in [Profile.Release] stands for every row.
const AllRoles = "all"

// Secret returns the secrets of a table, or nil.
func (p *Profile) Secret(table string) *SecretColumns {
	s, ok := lookup(p, table, func(l *layer, found func(string, secret)) {
		for pattern, s := range l.Secret {
			found(pattern, s)
		}
	})
	if !ok {
		return nil
	}
	return &SecretColumns{s.Columns, s.Roles, s.Row, s.Role}
}

// Release says whose secrets go to children: of rows with these roles, or with [AllRoles] of all. Without it, nobody's do.
func (p *Profile) Release(roles []string) { p.released = slices.Clone(roles) }

// Released returns the roles whose secrets go to children.
func (p *Profile) Released() []string {
	if p == nil {
		return nil
	}
	return p.released
}

// HasSecrets reports whether the profile names columns with secrets.
func (p *Profile) HasSecrets() bool {
	return p != nil && slices.ContainsFunc(p.layers, func(l *layer) bool { return len(l.Secret) > 0 })
}

// Names are columns by which people log in, all of them: a value in one must not be there in another one of another row.
type Names struct {
	Columns  []string
	Numbered []string // those of them that the application counts by itself at each site
}

// Names returns the columns by which rows of a table log in, or nil.
func (p *Profile) Names(table string) *Names {
	n, ok := lookup(p, table, func(l *layer, found func(string, loginNames)) {
		for pattern, n := range l.Names {
			found(pattern, n)
		}
	})
	if !ok || len(n.Columns) == 0 {
		return nil
	}
	return &Names{n.Columns, n.Numbered}
}
