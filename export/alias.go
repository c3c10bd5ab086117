package export

import (
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// theirs returns the peer's key of a row of a root table. Every key of a file goes through here when it is taken into the dictionary, so that
// nothing else knows of aliases.
func (p *plan) theirs(root *schema.Table, key string) string {
	meta := p.j.Tables[root.Name]
	if meta == nil || !p.aliases.Any(meta.ID) || !journal.HasAliases(root) {
		return key
	}
	if their, ok := p.aliases.Their(meta.ID, journal.Canonical(root, key)); ok {
		return their
	}
	return key
}

// theirsOfColumn is theirs for a text that is the key of the row which a column refers to.
func (p *plan) theirsOfColumn(c *schema.Column, key string) string {
	if c == nil || c.Ref == nil {
		return key
	}
	targets := []*schema.Table{c.Ref.To}
	if c.Ref.When != nil {
		targets = c.Ref.Targets()
	}
	for _, t := range targets {
		if their := journal.MapKey(t.Root, key, p.theirs); their != key {
			return their
		}
	}
	return key
}
