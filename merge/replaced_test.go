package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

func TestReplaced(t *testing.T) {
	for _, c := range []struct {
		name string
		is   merge.TableSigns
		want bool
	}{
		{"nothing happened", merge.TableSigns{}, false},
		{"it was altered", merge.TableSigns{Remade: true}, false},
		{"triggers were dropped", merge.TableSigns{Bare: true}, false},
		{"triggers were made again", merge.TableSigns{Retriggered: true}, false},
		{"dropped, and loaded without triggers", merge.TableSigns{Remade: true, Bare: true}, true},
		{"dropped, and loaded with triggers", merge.TableSigns{Remade: true, Retriggered: true}, true},
		{"the whole database was loaded without triggers", merge.TableSigns{Remade: true, Bare: true, JournalToo: true}, false},
		{"the whole database was loaded", merge.TableSigns{Remade: true, Retriggered: true, JournalToo: true}, false},
		{"swapped for its copy", merge.TableSigns{Remade: true, Bare: true, Copied: true}, false},
	} {
		if got := c.is.Replaced(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
