package page

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node/compared"
	"github.com/omsync/omsync/node/page/accounts"
)

// compared keeps a report of a peer, of so many rows that differ, and returns its mark.
func (w *world) compared(peer string, rows int) string {
	w.t.Helper()
	p, err := journal.PeerByName(w.t.Context(), w.node.DB, peer, false)
	nodetest.Check(w.t, err)
	r := &compared.Report{Peer: peer, At: time.Now().UTC(), AsOf: time.Now().UTC(), Differs: rows > 0, Exact: true, Rows: 40, Claimed: int64(rows), Removed: 1, Restored: true,
		Tables: []compared.Table{{Table: "site" + hostile, Here: 40, There: 41, Differ: rows}, {Table: "ward", Here: 2, There: 2, Equal: true}}, Left: map[string]string{"x" + hostile: hostile}}
	for i := range rows {
		r.Found = append(r.Found, compared.Row{Table: "site" + hostile, Kind: "missing there", Key: fmt.Sprint("key-of-it", i), Row: fmt.Sprint("Achieng ", i, hostile), Cause: "why " + hostile, Repair: "is sent again"})
	}
	nodetest.Check(w.t, compared.Keep(w.node.Home, p, r, []byte("digest")))
	k, err := compared.Last(w.node.Home, p)
	nodetest.Check(w.t, err)
	return markOf(k)
}

// A report says what differs, to operators with the rows; it is compared anew and repaired by the command, and only as somebody looked at it.
func TestCompared(t *testing.T) {
	w := newWorld(t)
	vera, otto := w.as("vera", accounts.Viewer), w.as("otto", accounts.Operator)
	const path = "/sites/kisumu/compared"
	if code, body := otto.get(path); code != http.StatusOK || !strings.Contains(body, "It was never compared.") {
		t.Errorf("before the first one: %d\n%s", code, body)
	}
	for _, act := range []string{"/again", "/repair"} {
		if code, _ := otto.post(path+act, "sure", "yes", "mark", "0"); code != http.StatusNotFound || w.commands() != "" {
			t.Errorf("%s of nothing: %d", act, code)
		}
	}
	mark := w.compared("kisumu", 130)
	_, seen := otto.get(path)
	for _, want := range []string{"1 / 2", "missing there", "Achieng 7", "Sent again to the site, and right there as they are here</li>", "130 rows", `rel="next"`, "Rows that are gone at one site come back."} {
		if !strings.Contains(strings.Replace(seen, ": 130 rows</li>", "</li>130 rows", 1), want) {
			t.Errorf("an operator does not see %q:\n%s", want, seen)
		}
	}
	if _, body := otto.get(path + "?page=2"); !strings.Contains(body, "Achieng 129") || strings.Contains(body, "Achieng 99&") {
		t.Error("the second page")
	}
	last, err := w.accounts.Last(1)
	nodetest.Check(t, err)
	if len(last) != 1 || last[0].What != "looked at rows of kisumu that differ" || last[0].Who != "otto" {
		t.Errorf("the log: %+v", last)
	}
	if _, body := vera.get(path); strings.Contains(body, "Achieng") || strings.Contains(body, "key-of-it") || !strings.Contains(body, "Which rows they are, operators see.") || strings.Contains(body, "<form method=\"post\" action=\"/sites") {
		t.Errorf("a viewer sees:\n%s", body)
	}
	for _, x := range []struct {
		form []string
		code int
		ran  string
	}{
		{[]string{"mark", mark}, http.StatusUnprocessableEntity, ""},
		{[]string{"sure", "yes"}, http.StatusConflict, ""},
		{[]string{"mark", mark, "sure", "yes"}, http.StatusSeeOther, "verify --kept --brief --peer=kisumu --missing=restore --repair --yes"},
	} {
		code, _ := otto.post(path+"/repair", x.form...)
		w.page.acts.wait()
		if ran := w.commands(); code != x.code || ran != x.ran {
			t.Errorf("%q: %d, %q", x.form, code, ran)
		}
	}
	for missing, want := range map[string]string{"delete": "verify --kept --brief --peer=kisumu --missing=delete", "": "verify --kept --brief --peer=kisumu --missing=restore", "--yes": ""} {
		code, _ := otto.post(path+"/again", "missing", missing)
		w.page.acts.wait()
		if ran := w.commands(); ran != want || (code == http.StatusSeeOther) != (want != "") {
			t.Errorf("missing=%q: %d, %q", missing, code, ran)
		}
	}

	// Another looked, compared or repaired meanwhile: what is said of the report before is not done.
	w.compared("kisumu", 2)
	if code, body := otto.post(path+"/repair", "mark", mark, "sure", "yes"); code != http.StatusConflict || !strings.Contains(body, "look at it again") || w.commands() != "" {
		t.Errorf("of a report that is gone: %d", code)
	}
	p, err := journal.PeerByName(t.Context(), w.node.DB, "kisumu", false)
	nodetest.Check(t, err)
	mark = w.compared("kisumu", 3)
	nodetest.Check(t, compared.NoteRepair(w.node.Home, p, time.Now()))
	if code, _ := otto.post(path+"/repair", "mark", mark, "sure", "yes"); code != http.StatusConflict || w.commands() != "" {
		t.Errorf("a second time: %d", code)
	}
	if _, body := otto.get(path); strings.Contains(body, `action="/sites/kisumu/compared/repair"`) || !strings.Contains(body, "Repaired") {
		t.Errorf("what was repaired:\n%s", body)
	}

	// Without a log nobody looks; damaged files are as none.
	nodetest.Check(t, os.Remove(w.accounts.LogPath()))
	nodetest.Check(t, os.Mkdir(w.accounts.LogPath(), 0o700))
	if code, body := otto.get(path); code != http.StatusServiceUnavailable || strings.Contains(body, "Achieng") {
		t.Errorf("without a log: %d", code)
	}
	nodetest.Check(t, os.Remove(w.accounts.LogPath()))
	nodetest.Check(t, os.WriteFile(compared.Folder(w.node.Home)+"/kisumu.json", []byte(hostile), 0o600))
	if code, body := otto.get(path); code != http.StatusOK || !strings.Contains(body, "Compare again") {
		t.Errorf("with a file that is damaged: %d\n%s", code, body)
	}
	w.run = func([]string) (string, error) { return "", errors.New("the sites do not hold the same") }
	otto.post(path + "/again")
	w.page.acts.wait()
	if _, body := otto.get(path); !strings.Contains(body, "It could not be compared:") {
		t.Errorf("what came of it:\n%s", body)
	}
}
