package apply

import (
	"context"
	"fmt"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
)

// takeRules takes in how tables may go, by the word of this node's parent. It holds for the rest of the batch already. A child's word counts
// for nothing.
func (im *importer) takeRules(ctx context.Context, i *batch.RulesItem) error {
	if im.peer.Role != access.Parent {
		im.notes.add("%s says how tables may go: left out, as only a parent says that", im.peer.Name)
		return nil
	}
	told := map[string]access.Way{}
	for _, r := range i.Tables {
		d, ok := access.ParseDirection(r.Direction)
		if !ok {
			im.notes.add("%s says of %q that it goes %q, which this omsync does not know: nothing of it goes until omsync is updated", im.peer.Name, r.Table, r.Direction)
			d = access.None
		}
		w := access.Way{Direction: d, Staff: r.Staff, NotUp: lower(r.NotUp), NotDown: lower(r.NotDown)}
		for _, s := range r.Rows {
			w.Rows = append(w.Rows, access.Rows{Column: strings.ToLower(s.Column), Pattern: s.Pattern})
		}
		name := r.Table
		if t := im.j.Catalogue.Named(name); t != nil {
			name = t.Name
		}
		name = strings.ToLower(name)
		if _, twice := told[name]; twice {
			return fmt.Errorf("%w: rules for two tables that are one here, %q", batch.ErrCorrupt, r.Table)
		}
		told[name] = w
	}
	im.peer.Rules.Told = told
	return journal.SaveRules(ctx, im.writer.s.conn, im.peer)
}

// takesBack reports whether a row of a table that goes up only is taken from the parent: what this node had lost, and who works for the
// parent. Of the versions that came those are left that are taken. What waited was taken when it came.
func (im *importer) takesBack(w *block, i int) bool {
	if !w.l.rules.TakesBack() {
		return false
	}
	if w.retried {
		return true
	}
	w.groups[i] = w.l.rules.Back(w.known[i], w.groups[i])
	return len(w.groups[i]) > 0
}

func lower(names []string) (out []string) {
	for _, n := range names {
		out = append(out, strings.ToLower(n))
	}
	return out
}
