package apply_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sites"
)

// form is a table of n columns that hold answers.
func form(n int) string {
	ddl := "CREATE TABLE form (form_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE"
	for i := 1; i <= n; i++ {
		ddl += fmt.Sprintf(", answer_%d INT", i)
	}
	return ddl + ")"
}

// formPair makes two sites with a table of n columns, and a row in it that both know. What before names is as omsync was before wide masks.
func formPair(t *testing.T, n int, before ...string) (hub, clinic *sites.Site) {
	hub, clinic = sites.New(t, "hub", "none", form(n)), sites.New(t, "clinic", "none", form(n))
	clinic.SetOffset(1000)
	hub.Exec("INSERT INTO form (uuid, answer_1) VALUES ('f-1', 1)")
	for _, s := range []*sites.Site{hub, clinic} {
		if slices.Contains(before, s.Name) {
			s.Features = nil
		}
		s.Init()
	}
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	return hub, clinic
}

// agreed exchanges until both hold the same, and says how many conflicts there are by then.
func agreed(t *testing.T, all ...*sites.Site) (conflicts int) {
	t.Helper()
	sites.ExchangeTwice(all...)
	sites.Quiet(t, all...)
	for _, s := range all[1:] {
		sites.Same(t, all[0], s)
	}
	return len(all[0].Conflicts())
}

// A column has a version, whatever its number: two sites that change one each do not meet.
func TestManyColumns(t *testing.T) {
	for _, n := range []int{62, 63, 64, 65, 130, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			hub, clinic := formPair(t, n)
			hub.Exec(fmt.Sprintf("UPDATE form SET answer_%d = 10, answer_2 = 10", n-1))
			clinic.Exec(fmt.Sprintf("UPDATE form SET answer_%d = 20", n), "INSERT INTO form (uuid, answer_60, answer_1) VALUES ('f-2', 60, 1)")
			if c := agreed(t, hub, clinic); c > 0 {
				t.Errorf("%d conflicts: %q", c, hub.Conflicts())
			}
			if got := hub.Query(fmt.Sprintf("SELECT answer_2, answer_%d, answer_%d FROM form WHERE uuid = 'f-1'", n-1, n)); fmt.Sprint(got) != "[[10 10 20]]" {
				t.Errorf("the row is %v", got)
			}
			hub.Exec(fmt.Sprintf("UPDATE form SET answer_%d = 11", n))
			clinic.Exec(fmt.Sprintf("UPDATE form SET answer_%d = 12, answer_61 = 12", n))
			if c := agreed(t, hub, clinic); c != 2 { // in each row one value lost
				t.Errorf("%d conflicts: %q", c, hub.Conflicts())
			}
			hub.Exec("DELETE FROM form WHERE uuid = 'f-2'")
			clinic.Exec(fmt.Sprintf("UPDATE form SET answer_%d = 77 WHERE uuid = 'f-2'", n))
			agreed(t, hub, clinic)
			if got := clinic.One("SELECT COUNT(*) FROM form"); got != "1" && got != "2" {
				t.Errorf("%s rows", got)
			}
			clinic.Exec(fmt.Sprintf("ALTER TABLE form DROP COLUMN answer_%d", n), "ALTER TABLE form ADD COLUMN answer_more INT AFTER uuid")
			hub.Exec("ALTER TABLE form ADD COLUMN answer_more INT")
			for _, s := range []*sites.Site{hub, clinic} {
				s.Follow()
			}
			clinic.Exec("UPDATE form SET answer_more = 5")
			hub.Exec("UPDATE form SET answer_61 = 6")
			sites.ExchangeTwice(hub, clinic)
			if got := hub.Query("SELECT DISTINCT answer_more, answer_61 FROM form"); fmt.Sprint(got) != "[[5 6]]" {
				t.Errorf("after the columns changed: %v", got)
			}
		})
	}
}

// Each of many columns of a row keeps a version of its own, and all of them go through one file.
func TestEachColumnHasItsVersion(t *testing.T) {
	const n = 130
	hub, clinic := formPair(t, n)
	for i := 1; i <= n; i += 3 {
		hub.Exec(fmt.Sprintf("UPDATE form SET answer_%d = %d", i, i))
		hub.Seal()
	}
	clinic.Exec("UPDATE form SET answer_129 = 129")
	if c := agreed(t, hub, clinic); c > 0 {
		t.Errorf("%d conflicts", c)
	}
	if got := clinic.One("SELECT COUNT(DISTINCT time) FROM omsync_version"); got != "45" { // of the row, of 43 edits there and of one here
		t.Errorf("%s versions", got)
	}
}

// The columns have other bits at the other site: they came in another order.
func TestManyColumnsInAnotherOrder(t *testing.T) {
	hub := sites.New(t, "hub", "none", form(130))
	lines := strings.Split(strings.TrimSuffix(form(130), ")"), ", answer_")
	slices.Reverse(lines[1:])
	clinic := sites.New(t, "clinic", "none", strings.Join(lines, ", answer_")+")")
	clinic.SetOffset(1000)
	hub.Exec("INSERT INTO form (uuid, answer_1) VALUES ('f-1', 1)")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	hub.Exec("UPDATE form SET answer_3 = 3, answer_100 = 3")
	clinic.Exec("UPDATE form SET answer_4 = 4, answer_101 = 4")
	if c := agreed(t, hub, clinic); c > 0 {
		t.Errorf("%d conflicts: %q", c, hub.Conflicts())
	}
	if got := hub.Query("SELECT answer_1, answer_3, answer_100, answer_4, answer_101 FROM form"); fmt.Sprint(got) != "[[1 3 3 4 4]]" {
		t.Errorf("the row is %v", got)
	}
}

// With a site whose omsync is of before, the columns after the 62nd go under one version, and both come to hold the same. Once it reads
// wide masks, each column has its own.
func TestManyColumnsWithASiteOfBefore(t *testing.T) {
	for _, old := range []string{"hub", "clinic"} {
		t.Run(old, func(t *testing.T) {
			hub, clinic := formPair(t, 130, old)
			other := map[string]*sites.Site{"hub": clinic, "clinic": hub}[old]
			for _, f := range other.Export(map[string]*sites.Site{"hub": hub, "clinic": clinic}[old], sites.Full) {
				h, err := batch.ReadHeader(bytes.NewReader(f.Data))
				if err != nil || h.HasManyColumns() || !slices.Contains(h.Reads(), batch.ManyColumns) {
					t.Fatalf("%v: the header of a file says %q", err, h.Requests)
				}
			}
			hub.Exec("UPDATE form SET answer_90 = 1", "UPDATE form SET answer_5 = 1")
			clinic.Exec("UPDATE form SET answer_6 = 2")
			if c := agreed(t, hub, clinic); c > 0 {
				t.Errorf("%d conflicts of columns that have versions: %q", c, hub.Conflicts())
			}
			hub.Exec("UPDATE form SET answer_90 = 3")
			clinic.Exec("UPDATE form SET answer_120 = 4")
			agreed(t, hub, clinic)
			clinic.Exec("UPDATE form SET answer_91 = 5")
			agreed(t, hub, clinic)
			if got := hub.One("SELECT answer_91 FROM form"); got != "5" {
				t.Errorf("an edit that both had seen all of before is %s at the hub", got)
			}
			before := len(hub.Conflicts())
			hub.Features, clinic.Features = features.Present(), features.Present()
			hub.Exec("UPDATE form SET answer_90 = 6") // whatever comes with it says what each reads
			agreed(t, hub, clinic)
			clinic.Exec("UPDATE form SET answer_92 = 6")
			agreed(t, hub, clinic)
			hub.Exec("UPDATE form SET answer_90 = 7")
			clinic.Exec("UPDATE form SET answer_125 = 8")
			if c := agreed(t, hub, clinic); c != before {
				t.Errorf("%d conflicts, %d before", c, before)
			}
			if got := hub.Query("SELECT answer_90, answer_125 FROM form"); fmt.Sprint(got) != "[[7 8]]" {
				t.Errorf("the row is %v", got)
			}
		})
	}
}

// A network in which one clinic has an omsync of before: the others lose nothing by it.
func TestManyColumnsBesideASiteOfBefore(t *testing.T) {
	hub, clinic := formPair(t, 130)
	old := sites.New(t, "old", "none", form(130))
	old.SetOffset(2000)
	old.Features = nil
	old.Init()
	hub.Connect(old)
	sites.ExchangeTwice(hub, clinic, old)
	for i := range 5 {
		hub.Exec(fmt.Sprintf("UPDATE form SET answer_%d = %d", 70+i, i))
		clinic.Exec(fmt.Sprintf("UPDATE form SET answer_%d = %d", 90+i, i))
		old.Exec(fmt.Sprintf("UPDATE form SET answer_%d = %d, answer_%d = %[2]d", 10+i, i, 110+i))
		agreed(t, hub, clinic, old)
	}
	for i := range 5 {
		if got := old.One(fmt.Sprintf("SELECT answer_%d FROM form", 10+i)); got != fmt.Sprint(i) {
			t.Errorf("answer %d is %s", 10+i, got)
		}
	}
}

// What does not go to a parent does not, whatever the number of its column.
func TestExcludedAmongManyColumns(t *testing.T) {
	profile := "[exclude.form]\nup = [\"answer_100\", \"answer_3\"]\n"
	hub, clinic := sites.New(t, "hub", profile, form(130)), sites.New(t, "clinic", profile, form(130))
	clinic.SetOffset(1000)
	hub.Exec("INSERT INTO form (uuid, answer_1) VALUES ('f-1', 1)")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("UPDATE form SET answer_3 = 9, answer_100 = 9, answer_101 = 9")
	sites.ExchangeTwice(hub, clinic)
	if got := hub.Query("SELECT answer_3, answer_100, answer_101 FROM form"); fmt.Sprint(got) != "[[NULL NULL 9]]" {
		t.Errorf("the hub has %v", got)
	}
}
