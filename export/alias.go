package export

import (
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// theirs returns the peer's key of a row of a root table. Every key of a file goes through here when it is taken into the dictionary, so that
// nothing else knows of aliases: what it is made of is taken in by itself.
func (p *plan) theirs(root *schema.Table, key string) string {
	meta := p.j.Tables[root.Name]
	if meta == nil || !p.aliases.Any(meta.ID) || !journal.HasAliases(root) {
		return key
	}
	return p.j.TheirKey(p.aliases, root, key)
}
