package trigger

import (
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Wanted are the triggers that there should be.
type Wanted struct {
	cat     *schema.Catalogue
	on      [][]trigger       // of the tables of cat, in their order
	numbers map[string]uint16 // of the journal's tables
}

// Want returns the triggers that the tables of cat should have. metas are the journal's tables: every replicated table must be there.
func Want(cat *schema.Catalogue, metas []*journal.Table) (*Wanted, error) {
	w := &Wanted{cat: cat, on: make([][]trigger, len(cat.Tables)), numbers: map[string]uint16{}}
	byName := make(map[string]*journal.Table, len(metas))
	for _, m := range metas {
		byName[m.Name], w.numbers[m.Name] = m, m.ID
	}
	const lanes = 2 // their texts are long: they are what takes time
	var errs [lanes]error
	var done sync.WaitGroup
	for lane := range lanes {
		done.Go(func() {
			for i := lane; i < len(cat.Tables) && errs[lane] == nil; i += lanes {
				w.on[i], errs[lane] = triggers(cat.Tables[i], byName)
			}
		})
	}
	done.Wait()
	return w, firstError(errs[0], errs[1])
}

// Digest returns a digest of the tables and their triggers: of their names, in which there is a hash of each trigger's text.
func (w *Wanted) Digest() string {
	h := sha256.New()
	for i, t := range w.cat.Tables {
		fmt.Fprintf(h, "%q.%q", w.cat.Database, t.Name)
		for _, x := range w.on[i] {
			fmt.Fprintf(h, " %s %s", x.Name, x.Event)
		}
		fmt.Fprintln(h)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
