package page

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/match"
	"github.com/omsync/omsync/node/page/accounts"
)

// clinic makes the node one with a parent.
func (w *world) clinic() {
	w.t.Helper()
	k, err := keys.Create(w.t.TempDir(), "center", keys.X25519)
	nodetest.Check(w.t, err)
	nodetest.Check(w.t, w.node.AddPeer(w.t.Context(), k.Card(), access.Parent))
}

// matched has the page know a comparison with so many proposals, and returns its mark.
func (w *world) matched(proposals int) string {
	r := &match.Report{Here: "hub", There: "center", Waiting: 3}
	for i := range proposals {
		r.Proposed = append(r.Proposed, match.Line{Table: "site", Here: fmt.Sprint("key-of-it", i), There: fmt.Sprint("there-", i, hostile), LabelHere: "Achieng " + hostile, LabelThere: "=Otieno, \"x\"\n;",
			State: match.Proposed, For: []string{"same name " + hostile}, Against: []string{"another place"}, Sends: true})
	}
	r.OnlyHere = []match.Line{{Table: "site", Here: "alone", LabelHere: "Own", State: match.OnlyHere, Waiting: 3}}
	r.Collisions = []match.Line{{Table: "site", Here: "c", There: "d", State: match.Collision}}
	r.OnlyThere = []match.Line{{Table: "site", There: "theirs", LabelThere: "Their own " + hostile, State: match.OnlyThere}, {Table: "ward", There: "other", State: match.OnlyThere}}
	w.page.matched.report, w.page.matched.at, w.page.matched.acts, w.page.matched.asOf = r, time.Now(), w.page.source.acts.Load(), time.Now().UnixMicro()
	return mark(r)
}

// What may be one thing is shown side by side, and what is said of it goes to the command as a spreadsheet would have it.
func TestMatch(t *testing.T) {
	w := newWorld(t)
	vera, otto := w.as("vera", accounts.Viewer), w.as("otto", accounts.Operator)
	if _, body := otto.get("/match"); !strings.Contains(body, "This node has no hub to compare with.") {
		t.Errorf("without a parent:\n%s", body)
	}
	if code, _ := otto.post("/match/decide", "part", "proposed"); code != http.StatusNotFound {
		t.Errorf("a decision without a parent: %d", code)
	}
	w.clinic()
	if _, body := otto.get("/match"); !strings.Contains(body, "Nothing of the hub was read yet.") {
		t.Errorf("before the first one:\n%s", body)
	}
	m := w.matched(130)
	code, body := otto.get("/match")
	for _, want := range []string{"key-of-it7<", "there-7&lt;script", "same name", "another place", "Perhaps one</a>", "130", `name="say-7"`, "they are one", "it is a new one for the hub", `rel="next"`} {
		if code != http.StatusOK || !strings.Contains(strings.ReplaceAll(body, "Perhaps one (130)", "130 Perhaps one"), want) {
			t.Errorf("%d: no %q in\n%.3000s", code, want, body)
		}
	}
	if code, body := vera.get("/match"); code != http.StatusForbidden || strings.Contains(body, "Achieng") {
		t.Errorf("a viewer: %d", code)
	}
	last, err := w.accounts.Last(1)
	nodetest.Check(t, err)
	if len(last) != 1 || last[0].Who != "otto" || last[0].What != "looked at what may be one thing here and at the hub" {
		t.Errorf("the log: %+v", last)
	}
	if _, body := otto.get("/match?part=proposed&page=2"); !strings.Contains(body, "key-of-it129<") {
		t.Error("the second page")
	}
	if _, body := otto.get("/match?part=only_here"); !strings.Contains(body, `value="theirs"`) || strings.Contains(body, `value="other"`) || !strings.Contains(body, `name="key-0"`) {
		t.Errorf("what is only here:\n%s", body)
	}
	if _, body := otto.get("/match?part=collisions"); strings.Contains(body, "say-0") {
		t.Errorf("of a collision something can be said:\n%s", body)
	}

	for _, x := range []struct {
		form []string
		code int
		ran  string
	}{
		{[]string{"part", "proposed", "mark", m}, http.StatusUnprocessableEntity, ""},
		{[]string{"part", "proposed", "mark", "x", "say-1", "same"}, http.StatusConflict, ""},
		{[]string{"part", "nothing", "mark", m, "say-1", "same"}, http.StatusNotFound, ""},
		{[]string{"part", "proposed", "mark", m, "say-130", "same"}, http.StatusNotFound, ""},
		{[]string{"part", "proposed", "mark", m, "say--1", "same"}, http.StatusNotFound, ""},
		{[]string{"part", "proposed", "mark", m, "say-1", "open"}, http.StatusNotFound, ""},
		{[]string{"part", "proposed", "mark", m, "say-1", "choose"}, http.StatusNotFound, ""},
		{[]string{"part", "collisions", "mark", m, "say-0", "apart"}, http.StatusNotFound, ""},
		{[]string{"part", "only_here", "mark", m, "say-0", "choose", "key-0", " "}, http.StatusNotFound, ""},
		{[]string{"part", "only_here", "mark", m, "say-0", "choose", "key-0", "theirs"}, http.StatusSeeOther, "site,alone,,Own,,only here,,3,same as theirs\n"},
		{[]string{"part", "proposed", "mark", m, "say-1", "same", "say-0", "apart", "say-2", ""}, http.StatusSeeOther, "keep apart\n"},
	} {
		w.matched(130)
		code, body := otto.post("/match/decide", x.form...)
		ran := w.commands()
		if code != x.code || (ran != "") != (x.ran != "") || !strings.HasSuffix(ran, x.ran) && !strings.Contains(ran, x.ran) {
			t.Errorf("%q: %d, %q\n%.200s", x.form, code, ran, body)
		}
		if ran != "" && !strings.HasPrefix(ran, "match --decide=- --peer=center < ") {
			t.Errorf("%q: %q", x.form, ran)
		}
	}
	entries, err := w.accounts.Last(10)
	nodetest.Check(t, err)
	if log := fmt.Sprint(entries); !strings.Contains(log, "says of the row key-of-it0 of site: keep apart, beside there-0") || !strings.Contains(log, "says of the row alone of site: same as theirs") {
		t.Errorf("the log: %s", log)
	}

	// What was said, or came, meanwhile has it made anew: of what is gone nothing is kept.
	w.matched(130)
	otto.post("/sites/kisumu/suspend")
	w.commands()
	if code, _ := otto.post("/match/decide", "part", "proposed", "mark", m, "say-1", "same"); code != http.StatusNotFound || w.commands() != "" {
		t.Errorf("of a comparison that is gone: %d", code)
	}
	for stick, want := range map[string]string{"": "match --brief", "/nowhere": "", "--yes": ""} {
		otto.post("/match/read", "stick", stick)
		w.page.acts.wait()
		if ran := w.commands(); ran != want {
			t.Errorf("read from %q: %q", stick, ran)
		}
	}
}
