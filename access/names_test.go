package access_test

import (
	"fmt"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
)

func TestNewNames(t *testing.T) {
	names, other, one := merge.Bits(1<<5|1<<6), merge.Bit(7), merge.Bit(5)
	for _, x := range []struct {
		from    access.Role
		alive   bool
		changed merge.Mask
		want    merge.Mask
	}{
		{access.Child, false, none, names},
		{access.Child, false, all, names},
		{access.Child, true, all, names},
		{access.Child, true, one.Or(other), one},
		{access.Child, true, other, none},
		{access.Parent, false, all, none},
		{access.Parent, true, all, none},
	} {
		if got := access.On(access.Table{Names: names}, peer, x.from).NewNames(x.alive, x.changed); got != x.want {
			t.Errorf("from the %s, alive %t, %v changes: %v, want %v", x.from, x.alive, x.changed, got, x.want)
		}
	}
}

// taken has a line for each way in which a row that comes uses a name (new, counted, the only one it has), with what another row that
// has it would need for it to be taken: nothing of both (--), counted (c-), the only one (-o), or both (co).
var taken = map[string]string{
	"old":              "",
	"old counted":      "",
	"old only":         "",
	"old counted only": "",
	"new":              "-- c- -o co",
	"new only":         "-- c- -o co",
	"new counted":      "-- -o co",
	"new counted only": "-- c- -o co",
}

func TestNameTaken(t *testing.T) {
	for _, isNew := range []bool{false, true} {
		for _, counted := range []bool{false, true} {
			for _, only := range []bool{false, true} {
				row := map[bool]string{false: "old", true: "new"}[isNew]
				if counted {
					row += " counted"
				}
				if only {
					row += " only"
				}
				got := ""
				for _, other := range []string{"--", "c-", "-o", "co"} {
					for _, otherNew := range []bool{false, true} {
						use := access.NameUse{New: otherNew, Counted: other[0] == 'c', Only: other[1] == 'o'}
						if !access.NameTaken(access.NameUse{New: isNew, Counted: counted, Only: only}, use) {
							continue
						}
						if !otherNew {
							got += " " + other
						} else if len(got) < 2 || got[len(got)-2:] != other {
							t.Errorf("%s: taken by another that is new alone (%s)", row, other)
						}
					}
				}
				if want := taken[row]; fmt.Sprint(got) != " "+want && !(got == "" && want == "") {
					t.Errorf("%s is taken by%s, want %s", row, got, want)
				}
			}
		}
	}
}

// Who was deleted and comes back has no claim to a name beside one who comes with it, and none beside one who has it.
func TestNameTakenOnReturn(t *testing.T) {
	for _, x := range []struct{ row, other, otherNew, want bool }{
		{row: true, other: false, otherNew: false, want: true},
		{row: true, other: false, otherNew: true, want: true},
		{row: true, other: true, otherNew: true, want: true},
		{row: false, other: true, otherNew: true, want: false},
		{row: false, other: false, otherNew: true, want: true},
	} {
		if got := access.NameTaken(access.NameUse{New: true, Returns: x.row}, access.NameUse{New: x.otherNew, Returns: x.other}); got != x.want {
			t.Errorf("returns: %t, the other: %t (new: %t): taken: %t", x.row, x.other, x.otherNew, got)
		}
	}
	counted := access.NameUse{New: true, Returns: true, Counted: true}
	if access.NameTaken(counted, access.NameUse{Counted: true}) {
		t.Error("a counted name keeps a row away that has another")
	}
}

// Two that are counted may be equal, with a dash or without, but not one with it and one without.
func TestNameTakenWithoutDash(t *testing.T) {
	for _, x := range []struct{ counted, undashed, otherCounted, otherUndashed, want bool }{
		{true, false, true, false, false},
		{true, true, true, true, false},
		{true, true, true, false, true},
		{true, false, true, true, true},
		{false, false, true, true, true},
		{true, true, false, false, true},
	} {
		row, other := access.NameUse{New: true, Counted: x.counted, Undashed: x.undashed}, access.NameUse{Counted: x.otherCounted, Undashed: x.otherUndashed}
		if got := access.NameTaken(row, other); got != x.want {
			t.Errorf("%+v beside %+v: taken: %t", row, other, got)
		}
	}
}

func TestCounted(t *testing.T) {
	for name, want := range map[string]bool{"12-5": true, "1": true, "120": true, "0-0": true, "": false, "-5": false, "12-": false, "12-55": false, "admin": false, "1a-5": false, "12-a": false, "١٢-5": false, "12–5": false} {
		if got := access.Counted(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}
