package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Somebody at the hub sees that a clinic differs and which row it is, has it repaired, and sees it come right: with a real browser.
func TestPageRepairs(t *testing.T) {
	ctx := browser(t)
	w := emptyPageWorld(t, "hub", "kisumu")
	w.meet("hub", "kisumu")
	w.sql("hub", "INSERT INTO site (uuid, name) VALUES ('s1', 'Ward 3'), ('s2', 'Laboratory')")
	w.sync("hub", "kisumu", "hub", "kisumu", "hub", "kisumu")
	w.sql("hub", "UPDATE site SET name = IF((@omsync_quiet := 1) = 1, 'Ward three', '') WHERE uuid = 's1'")
	proofs := filepath.Join(w.dir, "proofs")
	if err := os.Mkdir(proofs, 0o700); err != nil {
		t.Fatal(err)
	}
	w.do("kisumu", "verify", "--to", proofs)
	w.do("hub", "verify", "--from", proofs)

	s := &story{walk: &walk{pageWorld: w, ctx: ctx}}
	s.resize(360, 740, false)
	s.login("hub", "anna")
	s.says(s.text("/sites/kisumu"), "1 row differs", "What differs")
	s.run(chromedp.Click(`a[href="/sites/kisumu/compared"]`), chromedp.WaitVisible("#repair"))
	s.says(s.here("what differs"), "site: different", "s1", "without omsync having seen that", "Sent again to the site, and right there as they are here: 1 row", "Deleted here: 0 rows")
	s.resize(1280, 900, false)
	s.text("/sites/kisumu/compared")
	s.picture("page-differs")
	s.resize(1280, 900, true)
	s.says(s.text("/sites/kisumu/compared?lang=fr"), "Ce qui diffère", "1 ligne", "Réparer")
	s.text("/sites/kisumu/compared?lang=en")
	s.press(`form[action$="/again"] button`)
	s.says(s.until("/sites/kisumu/compared", "It is compared."), "site: different")
	s.run(chromedp.Click(`form[action$="/repair"] input[type=checkbox]`))
	s.press(`form[action$="/repair"] button`)
	s.until("/sites/kisumu/compared", "What is to be done here is done.")
	w.sync("hub", "kisumu", "hub", "kisumu", "hub", "kisumu")
	w.do("kisumu", "verify", "--to", proofs)
	w.do("hub", "verify", "--from", proofs)
	s.says(s.until("/sites/kisumu/compared", "both hold the same"), "2 / 2")
	s.says(s.text("/log"), "looked at rows of kisumu that differ", "--repair --yes")
}

// Somebody at a clinic that has worked alone sees what may be the hub's, side by side, and says so.
func TestPageMatches(t *testing.T) {
	ctx := browser(t)
	w := emptyPageWorld(t)
	own := filepath.Join(w.dir, "own.toml")
	if err := os.WriteFile(own, []byte("[direction]\ndown = [\"site\"]\n\n[natural.site]\nname = { columns = [\"name\"] }\n\n[label]\nsite = [\"name\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hub", "rusinga"} {
		w.node(name, "--profile-file", own)
	}
	w.sql("hub", "INSERT INTO site (uuid, name) VALUES ('s1', 'Ward 3'), ('s2', 'Laboratory'), ('s3', 'Store')")
	w.sql("rusinga", "INSERT INTO site (uuid, name) VALUES ('r1', 'Ward 3'), ('r2', 'Pharmacy')")
	w.sql("rusinga", "INSERT INTO visit (uuid, site_id, note) VALUES ('v1', 1, 'here'), ('v2', 2, 'there')")
	w.meet("hub", "rusinga")
	stick := filepath.Join(w.dir, "stick")
	w.do("hub", "export", "--match", "--to", stick)
	w.link("rusinga", "folder:"+stick)

	s := &story{walk: &walk{pageWorld: w, ctx: ctx}}
	s.resize(360, 740, false)
	s.login("rusinga", "nurse")
	s.says(s.text("/match"), "Nothing of the hub was read yet.")
	s.press(`form[action="/match/read"] button`)
	s.says(s.until("/match", "What the hub has is read."), "Perhaps one (1)", "Only here, and referred to (1)", "Ward 3", "same name")
	s.resize(1280, 900, false)
	s.text("/match")
	s.picture("page-match")
	s.resize(360, 740, true)
	s.text("/match")
	s.run(chromedp.SetAttributeValue(`#say-0 option[value="same"]`, "selected", "selected"))
	s.press(`form[action="/match/decide"] button`)
	s.run(chromedp.WaitVisible(".message"))
	s.says(s.here("after a decision"), "1 decision kept")
	s.resize(1280, 900, false)
	s.says(s.text("/match?part=matched"), "same as s1")
	s.says(s.text("/match?part=only_here&lang=es"), "Pharmacy", "es la fila del hub con esta clave")
	s.text("/match?part=only_here&lang=en")
	s.run(chromedp.SetAttributeValue(`#say-0 option[value="choose"]`, "selected", "selected"), chromedp.SendKeys("#key-0", "s3"))
	s.press(`form[action="/match/decide"] button`)
	s.run(chromedp.WaitVisible(".message"))
	s.says(s.here("after the second"), "2 decisions kept")
	if shown := w.do("rusinga", "match", "--show"); !strings.Contains(shown, "same as s1") || !strings.Contains(shown, "same as s3") {
		t.Errorf("the command does not know them:\n%s", shown)
	}
}
