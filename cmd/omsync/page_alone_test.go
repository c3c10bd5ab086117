package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/omsync/omsync/node/page/accounts"
)

// story is what somebody did on the page, as the guide tells it.
type story struct {
	*walk
	told []string
}

// tells notes a line of the story, which what is seen must bear out.
func (s *story) tells(line string, seen string, want ...string) {
	s.t.Helper()
	s.told = append(s.told, line)
	s.says(seen, want...)
}

// says tells whether what is seen says some things.
func (s *story) says(seen string, want ...string) {
	s.t.Helper()
	for _, w := range want {
		if !strings.Contains(seen, w) {
			s.t.Errorf("there is no %q in\n%s", w, seen)
		}
	}
}

// login is the first login of somebody at a home's page.
func (s *story) login(home, name string) {
	s.t.Helper()
	people := s.serve(home)
	token, err := people.Add(name, accounts.Operator)
	if err != nil {
		s.t.Fatal(err)
	}
	s.text("/first/" + token)
	s.run(chromedp.SendKeys("#password", "a sentence of mine"), chromedp.SendKeys("#again", "a sentence of mine"))
	s.press("form.card button")
}

// until looks at a view again and again until it says something.
func (s *story) until(path, want string) string {
	s.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		if text := s.text(path); strings.Contains(text, want) {
			return text
		} else if time.Now().After(deadline) {
			s.t.Fatalf("%s does not say %q:\n%s", path, want, text)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// A hub invites a clinic, which joins, syncs, and copies to a stick; the hub reads the stick: all by the page. The guide tells it as it was.
func TestPageAlone(t *testing.T) {
	ctx := browser(t)
	w := emptyPageWorld(t, "hub", "rusinga")
	w.sql("hub", "INSERT INTO site (uuid, name) VALUES ('s1', 'Ward 3'), ('s2', 'Laboratory')")
	address := w.hub()
	s := &story{walk: &walk{pageWorld: w, ctx: ctx}}

	s.resize(1280, 900, false)
	s.login("hub", "anna")
	s.text("/invitations")
	s.run(chromedp.SendKeys("#name", "rusinga"), chromedp.SendKeys("#address", address))
	s.press("form.card button")
	sheet := s.here("the sheet")
	s.tells("At the hub: More, Invite a clinic. The site's name: rusinga. Make the sheet.", sheet, "An invitation for rusinga", "This is shown once.", address)
	s.picture("page-invitation")
	token := regexp.MustCompile(`omsync-[A-Za-z0-9_-]{40,}`).FindString(sheet)
	figures := strings.Join(regexp.MustCompile(`\b[0-9]{5}\b`).FindAllString(strings.SplitAfter(sheet, "they must be the same.")[1], -1), "-")
	if token == "" {
		t.Fatalf("no token in\n%s", sheet)
	}
	s.tells("The hub's page: Nobody used it yet.", s.text("/invitations"), "rusinga", "Nobody used it yet.")

	w.link("rusinga", "folder:"+filepath.Join(w.dir, "stick"))
	s.resize(360, 740, false)
	s.login("rusinga", "nurse")
	s.tells("At the clinic: There is nobody to exchange with yet.", s.text("/"), "There is nobody to exchange with yet.")
	s.text("/join")
	s.run(chromedp.SendKeys("#address", address), chromedp.SendKeys("#token", token))
	s.press("form.card button")
	s.tells("At the clinic: More, Join a hub. Address and token from the sheet. Join.", s.here("after joining"), "rusinga joined hub: omsync sync does the rest", figures)
	s.press(".acts button")
	s.tells("At the clinic: Sync now.", s.until("/", "The last sync from here is done."), "All work is safe at hub")
	s.picture("page-clinic-safe-phone")

	w.sql("rusinga", "INSERT INTO site (uuid, name) VALUES ('r1', 'Rusinga ward')")
	s.tells("A nurse at the clinic writes something. The page: 1 change", s.until("/", "1 change"), "not at hub yet")
	s.text("/stick")
	s.press(`form[action="/stick/copy"] button`)
	s.tells("At the clinic: A stick, Copy to the stick. The page: You may pull the stick out now.", s.until("/stick", "You may pull the stick out now."), "All work from here is on it.")
	s.picture("page-stick-phone")

	w.link("hub", "folder:"+filepath.Join(w.dir, "stick"))
	s.resize(1280, 900, false)
	s.login("hub", "otto")
	s.tells("At the hub: It has joined.", s.text("/invitations"), "It has joined.")
	s.text("/stick")
	s.press(`form[action="/stick/read"] button`)
	s.tells("At the hub: A stick, Read the stick. The page: You may pull the stick out now.", s.until("/stick", "You may pull the stick out now."), "What was on it is here")
	s.tells("The hub's page, of rusinga: What it says of itself.", s.text("/sites/rusinga"), "just now", "What it says of itself", "Free on its disk", "What came in the last 90 days")

	guide, err := os.ReadFile("../../docs/guide.md")
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, line := range s.told {
		i := strings.Index(string(guide)[at:], line)
		if i < 0 {
			t.Errorf("docs/guide.md does not tell, after what comes before it: %s", line)
			continue
		}
		at += i
	}
}

// link gives a home a link.
func (w *pageWorld) link(home, url string) {
	w.t.Helper()
	file, err := os.OpenFile(filepath.Join(w.dir, home, "omsync.toml"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(file, "\n[[link]]\nurl = %q\n", url)
		file.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
