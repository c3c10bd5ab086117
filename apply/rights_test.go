package apply_test

import (
	"slices"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/testdata/sites"
)

// unverified lets a test change what a peer signed.
func unverified(o *apply.Options) {
	o.Verify = func(*batch.Header, []byte, []byte) error { return nil }
}

// shows is an error unless a query answers these rows, each as its columns joined by a blank.
func shows(t *testing.T, s *sites.Site, query string, want ...string) {
	t.Helper()
	var got []string
	for _, r := range s.Query(query) {
		line := r[0]
		for _, v := range r[1:] {
			line += " " + v
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		t.Errorf("at %s: %q, want %q\nin: %s", s.Name, got, want, query)
	}
}

// Rows that the profile keeps where they are stay when the other side deletes its own of that name: the sender does not
// tell of it, and the receiver does not believe one that does.
func TestFilteredRowsOutliveDeletions(t *testing.T) {
	filter := "[direction]\ndown = [\"gp\"]\n[key]\ngp = [\"property\"]\n"
	ddl := "CREATE TABLE gp (property VARCHAR(50) PRIMARY KEY, value VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	byName := filter + "[filter.gp]\ncolumn = \"property\"\nnever = [\"*.seed\"]\n"
	byValue := filter + "[filter.gp]\ncolumn = \"value\"\nnever = [\"777\"]\n"
	for _, c := range []struct {
		name, hub, clinic string
		sent              int64 // deletions
	}{
		{"neither sends nor takes", byName, byName, 1},
		{"the sender knows no filter", filter, byName, 2},
		{"the filter looks at what the row holds", filter, byValue, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			hub, clinic := sites.New(t, "hub", c.hub, ddl), sites.New(t, "clinic", c.clinic, ddl)
			hub.Exec("INSERT INTO gp VALUES ('other.seed', '777', 'g-0'), ('x', '1', 'g-2')")
			clinic.Exec("INSERT INTO gp VALUES ('order.seed', '777', 'kg-1'), ('x', '1', 'kg-2')")
			hub.Init()
			clinic.Init()
			hub.Connect(clinic)
			sites.ExchangeTwice(hub, clinic)
			hub.Exec("INSERT INTO gp VALUES ('order.seed', '5', 'g-1')")
			hub.Seal()
			hub.Exec("DELETE FROM gp WHERE property <> 'other.seed'")
			f := hub.Export(clinic)[0]
			if f.Made.Deletions != c.sent {
				t.Errorf("%d deletions sent, want %d", f.Made.Deletions, c.sent)
			}
			clinic.Import(f)
			shows(t, clinic, "SELECT property, value FROM gp WHERE property <> 'other.seed'", "order.seed 777")
			sites.ExchangeTwice(hub, clinic)
			sites.Quiet(t, hub, clinic)
		})
	}
}
