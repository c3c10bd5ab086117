package page

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/node/page/accounts"
	"github.com/omsync/omsync/node/tables"
)

// For all sites at once, what would come of it is summed up, and then done.
func TestTablesOfAll(t *testing.T) {
	w := newWorld(t)
	anna := w.as("anna", accounts.Operator)
	w.run = func(args []string) (string, error) {
		sums := tables.Sums{Sums: []tables.Sum{{Table: "site", Before: "both", After: "down", Links: 500, Peers: []string{"kisumu", hostile}, Again: true, Sends: 41, Stays: 1234}},
			Cuts: []tables.Cut{{Peer: "kisumu", Table: "item", Column: "site_id", To: "site", Rows: 7, At: "kisumu"}}, DryRun: true}
		b, err := json.Marshal(sums)
		return string(b), err
	}
	code, body := anna.post("/tables/look", "table", "site", "direction", "down")
	if ran := w.commands(); code != http.StatusOK || ran != "tables set site=down --brief --dry-run --json" {
		t.Fatalf("%d, %q", code, ran)
	}
	for _, want := range []string{"both ways → <strong>down only", "500 sites", "The table is sent again.", "what it is to have of 41 rows", "keeps what it has of 1,234 rows", "7 rows", `action="/tables/set"`, `name="table" value="site"`} {
		if !strings.Contains(body, want) {
			t.Errorf("it does not say %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, "<script") {
		t.Error("a name is not text")
	}
	w.run = func([]string) (string, error) { return `{"sums":[]}`, nil }
	if _, body := anna.post("/tables/look", "preset", "mirror"); !strings.Contains(body, "for those that are yet to come") || !strings.Contains(body, `name="preset" value="mirror"`) || w.commands() != "tables preset mirror --brief --dry-run --json" {
		t.Errorf("a preset:\n%s", body)
	}
	anna.post("/tables/set", "table", "site", "direction", "down")
	if ran := w.commands(); ran != "tables set site=down --brief" {
		t.Errorf("%q", ran)
	}
	if code, _ := anna.post("/tables/set", "table", "omsync_peer", "direction", "down"); code != http.StatusNotFound || w.commands() != "" {
		t.Errorf("of a table that there is not: %d", code)
	}

	// A site with a word of its own is counted.
	wish, err := tables.ParseWish("site=up")
	nodetest.Check(t, err)
	for _, peer := range []string{"", "kisumu"} {
		if peer == "" {
			wish.Direction = access.Down
		} else {
			wish.Direction = access.Up
		}
		_, err = tables.Apply(t.Context(), w.node, peer, []tables.Wish{wish}, false)
		nodetest.Check(t, err)
	}
	if _, body := anna.get("/tables"); !strings.Contains(body, "<tr><td>site</td><td>down only: from the hub to the site (otherwise at 1 site)</td></tr>") {
		t.Errorf("now:\n%s", body)
	}
}
