package merge_test

import (
	"reflect"
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

func TestFoundAgain(t *testing.T) {
	m := merge.Stamper{Self: "a", Epoch: 7}
	dead := merge.Row{Known: true, Dead: merge.Version{Stamp: merge.Stamp{Time: 5, Author: "b"}, Epoch: 3, From: 2}}
	live := m.Insert(merge.Row{}, merge.Bits(2), 9)
	for _, c := range []struct {
		name string
		prev merge.Row
		here bool
		want merge.Row
	}{
		{"known and here", live, true, m.Found(merge.Bits(2))},
		{"not known and here", merge.Row{}, true, m.Found(merge.Bits(2))},
		{"deleted, and back", dead, true, m.Found(merge.Bits(2))},
		{"known and gone", live, false, merge.Row{}},
		{"deleted and gone", dead, false, dead},
	} {
		if got := m.FoundAgain(c.prev, c.here, merge.Bits(2)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
