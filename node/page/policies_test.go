package page

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/node/page/accounts"
)

// policy adds a policy to the node's configuration.
func (w *world) policy(name, who string) {
	path := filepath.Join(w.node.Home, "omsync.toml")
	b, err := os.ReadFile(path)
	nodetest.Check(w.t, err)
	text := strings.Replace(string(b), "[policy]\n", fmt.Sprintf("[policy]\n%q = %q\n", name, who), 1)
	if text == string(b) {
		w.t.Fatalf("no [policy] in %s", b)
	}
	nodetest.Check(w.t, os.WriteFile(path, []byte(text), 0o600))
}

// Who wins is shown as the configuration has it now, to all; an operator says so of a table or a column, and takes it back.
func TestPolicies(t *testing.T) {
	w := newWorld(t)
	vera, otto := w.as("vera", accounts.Viewer), w.as("otto", accounts.Operator)
	if _, body := vera.get("/policies"); !strings.Contains(body, "<td>everything else</td><td>the later value</td>") || strings.Contains(body, "<form method=\"post\" action=\"/policies") {
		t.Errorf("nothing is set, and a viewer looks:\n%s", body)
	}
	w.policy("site.<b>", "child")
	w.policy("*.name", "parent")
	code, body := otto.get("/policies")
	for _, want := range []string{"<bdi>site.&lt;b&gt;</bdi></td><td>the clinic&#39;s value", "<bdi>*.name</bdi></td><td>the hub&#39;s value", "<option>site</option>", `value="site.&lt;b&gt;"`} {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%d: it does not say %q:\n%s", code, want, body)
		}
	}
	for _, c := range []struct {
		path, ran string
		code      int
		form      []string
	}{
		{"/policies/set", "conflicts policy site child", http.StatusSeeOther, []string{"table", "site", "policy", "child"}},
		{"/policies/set", "conflicts policy site.name parent", http.StatusSeeOther, []string{"table", "site", "column", " name ", "policy", "parent"}},
		{"/policies/set", "", http.StatusNotFound, []string{"table", "omsync_peer", "policy", "parent"}},
		{"/policies/set", "", http.StatusNotFound, []string{"table", "--remove", "policy", "parent"}},
		{"/policies/set", "", http.StatusNotFound, []string{"table", "site", "policy", "strongest"}},
		{"/policies/remove", "conflicts policy --remove -- *.name", http.StatusSeeOther, []string{"rule", "*.name"}},
		{"/policies/remove", "", http.StatusNotFound, []string{"rule", "item"}},
	} {
		if code, _ := otto.post(c.path, c.form...); code != c.code || w.commands() != c.ran {
			t.Errorf("%s %q: %d", c.path, c.form, code)
		}
	}
}
