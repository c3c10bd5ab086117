package hook

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/schema"
)

const openmrsHook = "../../packaging/examples/openmrs-cache-and-index"

// The example asks OpenMRS for what the import makes necessary, in the form that its module takes.
func TestOpenMRSHook(t *testing.T) {
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s here", program)
		}
	}
	script, err := filepath.Abs(openmrsHook)
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	refused := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		asked = append(asked, fmt.Sprintf("%s %s %s %s %s:%s", r.Method, r.URL.Path, r.Header.Get("Content-Type"), body, user, password))
		if refused != "" && strings.HasSuffix(r.URL.Path, refused) {
			http.Error(w, `{"error":{}}`, http.StatusForbidden)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	credentials := filepath.Join(t.TempDir(), "openmrs.curl")
	if err := os.WriteFile(credentials, []byte("user = \"omsync:s e\\\"cret\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const cleared = `POST /openmrs/ws/rest/v1/cleardbcache application/json {} omsync:s e"cret`
	const indexed = `POST /openmrs/ws/rest/v1/searchindexupdate application/json {} omsync:s e"cret`
	for _, c := range []struct {
		table, refused string
		asked          []string
		err            string
	}{
		{"obs", "", []string{cleared}, ""},
		{"person_address", "", []string{cleared}, ""},
		{"person_name", "", []string{cleared, indexed}, ""},
		{"concept_name", "searchindexupdate", []string{cleared, indexed}, "ended with 22"},
		{"concept_name", "cleardbcache", []string{cleared}, "ended with 22"},
	} {
		asked, refused = nil, c.refused
		h := &Hook{Home: t.TempDir(), Node: "hub", Database: "openmrs", Command: []string{"sh", script, server.URL + "/openmrs/", credentials}, Timeout: time.Minute}
		var out bytes.Buffer
		// A file's name that looks like a table's.
		err := h.AfterImport(t.Context(), &out, []File{brought(`"table":"person"`, "migori", c.table, 1, 0, 0)})
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v, want %q; it printed\n%s", c.table, err, c.err, out.String())
		}
		if !slices.Equal(asked, c.asked) {
			t.Errorf("%s: asked for %q, want %q", c.table, asked, c.asked)
		}
		if strings.Contains(out.String(), "cret") {
			t.Errorf("the password is printed: %s", out.String())
		}
	}

	asked = nil
	if err := os.Chmod(credentials, 0o640); err != nil {
		t.Fatal(err)
	}
	b, err := exec.Command("sh", script, server.URL+"/openmrs", credentials).CombinedOutput()
	if err == nil || !strings.Contains(string(b), "chmod 600") || len(asked) > 0 {
		t.Errorf("with a password that others can read: %v, asked for %q\n%s", err, asked, b)
	}
}

// The tables in the example are those of the profile.
func TestOpenMRSHookTables(t *testing.T) {
	b, err := os.ReadFile(openmrsHook)
	if err != nil {
		t.Fatal(err)
	}
	p, err := schema.Builtin("openmrs")
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Reindex()
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?s)\nif changed (.*?)\nthen`).FindSubmatch(b)
	if m == nil {
		t.Fatal("no list of tables found")
	}
	if got := strings.Fields(strings.ReplaceAll(string(m[1]), "\\\n", " ")); !slices.Equal(got, r.When) {
		t.Errorf("in the example\n%q, in the profile\n%q", got, r.When)
	}
}
