package apply

import (
	"fmt"
	"testing"

	"github.com/omsync/omsync/schema"
)

// What is kept of a dictionary that is emptied is what something referred to, and bounded.
func TestDictionaryKeeps(t *testing.T) {
	root := &localTable{Table: &schema.Table{Name: "ward"}}
	var d dictionary
	d.add(entry{root: root, key: "asked", integer: 7, state: here, asked: true})
	d.add(entry{root: root, key: "not asked", integer: 8, state: here})
	d.add(entry{root: root, key: "nowhere", state: nowhere, asked: true})
	d.add(entry{root: root, key: "by name", state: here, asked: true, rare: &rare{}})
	d.reset()
	if kept := d.kept.integers[root]; len(kept) != 1 || kept["asked"] != 7 {
		t.Errorf("kept are %v", kept)
	}
	for i := range 2 * maxKept / keptCost {
		d.add(entry{root: root, key: fmt.Sprint("row ", i), integer: int64(i), state: here, asked: true})
	}
	d.reset()
	if d.kept.size > maxKept+1000 || len(d.kept.integers[root]) < maxKept/keptCost/2 {
		t.Errorf("%d rows are kept, %d bytes", len(d.kept.integers[root]), d.kept.size)
	}
}
