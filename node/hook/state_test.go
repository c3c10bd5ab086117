package hook

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
)

// kept is what the golden files hold, in each version of their form.
var kept = message{Node: "hub", Database: "openmrs", Peers: []string{"kisumu", "migori"}, Files: []string{"b.omsync", "a.omsync"},
	Tables: []Table{{"obs", 6, 0, 1}, {"person", 0, 2, 0}}, Since: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)}

func TestStateOfEachVersionIsRead(t *testing.T) {
	for version := range stateVersion + 1 {
		golden, err := os.ReadFile(fmt.Sprintf("testdata/state-%d.json", version))
		if err != nil {
			t.Fatal(err)
		}
		h := &Hook{Home: t.TempDir()}
		if err := os.WriteFile(h.stateFile(), golden, 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		m, err := h.pending(&out)
		if err != nil || out.Len() > 0 || fmt.Sprintf("%+v", *m) != fmt.Sprintf("%+v", kept) {
			t.Errorf("version %d: %+v, %v, %s", version, m, err, out.String())
		}
	}
}

func TestStateIsWrittenInTheLatestVersion(t *testing.T) {
	golden, err := os.ReadFile(fmt.Sprintf("testdata/state-%d.json", stateVersion))
	if err != nil {
		t.Fatal(err)
	}
	h := &Hook{Home: t.TempDir()}
	if err := h.keep(&kept); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(h.stateFile()); err != nil || !bytes.Equal(got, golden) {
		t.Errorf("wrote\n%swant\n%s%v", got, golden, err)
	}
}

// What a later omsync left is neither taken for something else nor thrown away.
func TestStateOfAnotherForm(t *testing.T) {
	h := &Hook{Home: t.TempDir(), Node: "hub", Command: []string{"true"}, Timeout: time.Minute}
	for text, want := range map[string]string{
		`{"version":2,"tables":{}}`:                     "written by another omsync, in version 2 of its form",
		`{"version":1,"node":"hub","rows":[1,2]}`:       `written by another omsync: json: unknown field "rows"`,
		`{"node":"hub","files":"a.omsync","tables":[]}`: "written by another omsync: json: cannot unmarshal string",
	} {
		if err := os.WriteFile(h.stateFile(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err := h.AfterImport(t.Context(), &out, []File{Imported("a", &apply.Report{Tables: []apply.TableReport{{Table: "obs", Inserted: 1}}})})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
		if got, err := os.ReadFile(filepath.Join(h.Home, "hook.json")); err != nil || string(got) != text {
			t.Errorf("%s became %s, %v", text, got, err)
		}
	}
}
