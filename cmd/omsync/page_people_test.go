package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/omsync/omsync/node/page/accounts"
)

// visitor is somebody with a browser, without one.
type visitor struct {
	t      *testing.T
	client *http.Client
	base   string
}

// visitor makes an account, and logs in.
func (w *pageWorld) visitor(people *accounts.Accounts, name string) *visitor {
	w.t.Helper()
	token, err := people.Add(name, accounts.Operator)
	if err != nil {
		w.t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	v := &visitor{w.t, &http.Client{Jar: jar}, w.address}
	v.post("/first/"+token, "password", "a sentence of mine", "again", "a sentence of mine")
	return v
}

func (v *visitor) read(resp *http.Response, err error) string {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return string(b)
}

func (v *visitor) get(path string) string {
	v.t.Helper()
	return v.read(v.client.Get(v.base + path))
}

// post sends a form, and returns what is shown afterwards.
func (v *visitor) post(path string, form ...string) string {
	v.t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Add(form[i], form[i+1])
	}
	return v.read(v.client.PostForm(v.base+path, values))
}

// Two people at the hub act on one thing, at one moment and one after the other: it is done once, who comes second is told, and nothing is lost.
func TestTwoOperators(t *testing.T) {
	w := newPageWorld(t)
	people := w.serve("hub")
	anna, otto := w.visitor(people, "anna"), w.visitor(people, "otto")
	list := anna.get("/conflicts")
	_, rest, ok := strings.Cut(list, `href="/conflicts/`)
	if !ok {
		t.Fatalf("no conflict:\n%s", list)
	}
	id, _, _ := strings.Cut(rest, `"`)

	// The same conflict, decided in two ways at one moment.
	var all sync.WaitGroup
	said := make([]string, 2)
	for i, v := range []*visitor{anna, otto} {
		all.Go(func() { said[i] = v.post("/conflicts/"+id+"/"+[]string{"lost", "kept"}[i], "anyway", "yes") })
	}
	all.Wait()
	done := 0
	for _, s := range said {
		switch {
		case strings.Contains(s, "<strong>Done</strong>"):
			done++
		case !strings.Contains(s, "<strong>Not done</strong>"):
			t.Errorf("somebody is not told what came of it:\n%s", s)
		}
	}
	if done == 0 {
		t.Errorf("nobody's decision was carried out:\n%s\n%s", said[0], said[1])
	}
	if view := anna.get("/conflicts/" + id); !strings.Contains(view, "Decided") || strings.Contains(view, `/kept"`) {
		t.Errorf("afterwards:\n%s", view)
	}
	if again := otto.post("/conflicts/" + id + "/lost"); !strings.Contains(again, "Not done") {
		t.Errorf("a decision about what is decided:\n%s", again)
	}

	// A row that waits, dropped by one while the other looks at it.
	list = otto.get("/waiting")
	if _, rest, ok = strings.Cut(list, `href="/waiting/`); !ok {
		t.Fatalf("no row waits:\n%s", list)
	}
	row, _, _ := strings.Cut(rest, `"`)
	anna.post("/waiting/"+row+"/drop", "sure", "yes", "why", "not ours")
	if again := otto.post("/waiting/"+row+"/drop", "sure", "yes", "why", "nor mine"); !strings.Contains(again, "no such thing here, or no more") {
		t.Errorf("a row that is dropped, dropped again:\n%s", again)
	}
	if retried := otto.post("/waiting/retry", "id", row); !strings.Contains(retried, "no such thing here, or no more") {
		t.Errorf("a row that is dropped, tried again:\n%s", retried)
	}

	// A site, suspended by one, resumed by the other, and looked at when it is gone.
	anna.post("/sites/siaya/suspend")
	if twice := otto.post("/sites/siaya/suspend"); !strings.Contains(twice, "siaya is suspended") {
		t.Errorf("suspended twice:\n%s", twice)
	}
	w.do("hub", "peer", "remove", "siaya")
	for _, path := range []string{"/sites/siaya/resume", "/sites/siaya/tables/set", "/sites/siaya/compared/again", "/sites/siaya/compared/repair"} {
		if gone := otto.post(path, "table", "site", "direction", "up"); !strings.Contains(gone, "no such thing here, or no more") {
			t.Errorf("%s of a site that is gone:\n%s", path, gone)
		}
	}
	log := anna.get("/log")
	for _, want := range []string{"anna", "otto", "conflicts resolve " + id, "quarantine drop " + row} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}
