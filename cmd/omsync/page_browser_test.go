package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/omsync/omsync/node/page/accounts"
)

// envScreenshots names a folder for pictures of the page, as docs/ has them.
const envScreenshots = "OMSYNC_SCREENSHOTS"

// envRequireBrowser says that the tests with a browser must run.
const envRequireBrowser = "OMSYNC_REQUIRE_BROWSER"

// browser starts a browser; the test is skipped where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv(envRequireBrowser) != "" {
			t.Fatal("no chromium here")
		}
		t.Skip("no chromium here")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("lang", "en"))
	allocated, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocated)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// walk is somebody's way through the page.
type walk struct {
	*pageWorld
	ctx    context.Context
	width  int64
	looked map[string]bool // what axe has seen
}

func (x *walk) run(actions ...chromedp.Action[chromedp.Void]) {
	x.t.Helper()
	if err := chromedp.Do(x.ctx, actions...); err != nil {
		x.t.Fatalf("at %d: %v", x.width, err)
	}
}

func (x *walk) resize(width, height int64, dark bool) {
	x.width = width
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	x.run(chromedp.EmulateViewport(width, height))
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(x.ctx, emulation.SetEmulatedMedia, media); err != nil {
		x.t.Fatal(err)
	}
}

// text returns what a view says, and looks whether people can read it.
func (x *walk) text(path string) (text string) {
	x.t.Helper()
	x.run(chromedp.Navigate(x.address + path))
	return x.here(path)
}

func (x *walk) here(what string) (text string) {
	x.t.Helper()
	x.run(chromedp.WaitReady("main"))
	text, err := chromedp.Run(x.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if err != nil {
		x.t.Fatal(err)
	}
	faults, err := chromedp.Run(x.ctx, chromedp.Evaluate[[]string](faultsScript))
	if err != nil {
		x.t.Fatal(err)
	}
	for _, f := range faults {
		x.t.Errorf("%s at %d: %s", what, x.width, f)
	}
	x.axe(what)
	return text
}

// axeRun returns what axe finds that keeps people out, or nearly.
const axeRun = `axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.filter(v => v.impact === 'serious' || v.impact === 'critical')
  .map(v => v.id + ': ' + v.help + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200)).join(' | ')))`

// axe has axe-core look at a view, once at each width.
func (x *walk) axe(what string) {
	x.t.Helper()
	key := fmt.Sprint(what, " at ", x.width)
	if x.looked[key] {
		return
	}
	if x.looked == nil {
		x.looked = map[string]bool{}
	}
	x.looked[key] = true
	source, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		x.t.Fatal(err)
	}
	x.run(chromedp.Evaluate[chromedp.Void](string(source)))
	found, err := chromedp.Run(x.ctx, chromedp.Evaluate[[]string](axeRun, chromedp.EvalAwaitPromise))
	if err != nil {
		x.t.Fatalf("axe on %s: %v", key, err)
	}
	for _, f := range found {
		x.t.Errorf("%s: axe: %s", key, f)
	}
}

// picture keeps what is seen, if somebody wants pictures.
func (x *walk) picture(name string) {
	x.t.Helper()
	dir := os.Getenv(envScreenshots)
	if dir == "" {
		return
	}
	b, err := chromedp.Run(x.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		x.t.Fatal(err)
	}
	seen, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		x.t.Fatal(err)
	}
	small := image.NewPaletted(seen.Bounds(), colours(seen))
	draw.Draw(small, small.Bounds(), seen, image.Point{}, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), out.Bytes(), 0o644); err != nil {
		x.t.Fatal(err)
	}
}

// colours are the 256 that a picture has most of.
func colours(m image.Image) (out color.Palette) {
	count := map[color.Color]int{}
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			count[m.At(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int {
		return cmp.Or(count[b]-count[a], cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	return append(out, all[:min(len(all), 256)]...)
}

// press presses a button, and waits for what comes.
func (x *walk) press(selector string) {
	x.t.Helper()
	if _, err := chromedp.RunResponse(x.ctx, chromedp.Click(selector)); err != nil {
		x.t.Fatalf("at %d, %s: %v", x.width, selector, err)
	}
}

// faultsScript finds what stops people from using a view: what is wider than the screen, has no name for a screen reader, is too small to
// touch, or too pale to read (WCAG 2, level AA).
const faultsScript = `(() => {
  const faults = [];
  const visible = e => e.checkVisibility() && !e.closest('.hidden, .skip');
  if (document.documentElement.scrollWidth > innerWidth) faults.push('it is ' + document.documentElement.scrollWidth + ' wide');
  if (!document.documentElement.lang) faults.push('no language');
  for (const [what, n] of [['h1', 1], ['main', 1], ['header', 1]]) if (document.querySelectorAll(what).length !== n) faults.push('not one ' + what);
  let last = 0;
  for (const h of document.querySelectorAll('h1,h2,h3,h4')) { const l = +h.tagName[1]; if (l > last + 1) faults.push('a heading is left out before ' + h.innerText); last = l; }
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push('twice: #' + id);
  for (const e of document.querySelectorAll('[aria-labelledby],[aria-describedby]')) for (const a of ['aria-labelledby', 'aria-describedby']) { const v = e.getAttribute(a); if (v && !document.getElementById(v)) faults.push(a + ' leads nowhere: ' + v); }
  for (const e of document.querySelectorAll('input:not([type=hidden])')) if (!e.labels.length) faults.push('no label: ' + e.name);
  for (const e of document.querySelectorAll('button,a')) if (!e.textContent.trim()) faults.push('no name: ' + e.outerHTML);
  for (const e of document.querySelectorAll('button')) if (visible(e) && e.getBoundingClientRect().height < 40) faults.push('too small to touch: ' + e.innerText);
  for (const e of document.querySelectorAll('nav,section')) if (!e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')) faults.push('no name: ' + e.outerHTML.slice(0, 80));
  const rgb = c => c.match(/[\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.nodeValue.trim()) || !visible(e) || e.disabled) continue;
    const a = light(rgb(getComputedStyle(e).color)), b = light(behind(e)), ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) faults.push('contrast ' + ratio.toFixed(1) + ': ' + e.innerText.slice(0, 40));
  }
  return faults;
})()`

// Somebody signs in at the hub, sees a late site and why, settles a conflict, tries a waiting row again, suspends a site, and changes the
// language: with a real browser, on a telephone and on a desk.
func TestPageInBrowser(t *testing.T) {
	ctx := browser(t)
	w := newPageWorld(t)
	people := w.serve("hub")
	x := &walk{pageWorld: w, ctx: ctx}
	token, err := people.Add("anna", accounts.Operator)
	if err != nil {
		t.Fatal(err)
	}
	has := func(text string, want ...string) {
		t.Helper()
		for _, s := range want {
			if !strings.Contains(text, s) {
				t.Errorf("at %d there is no %q in\n%s", x.width, s, text)
			}
		}
	}
	x.resize(360, 740, false)
	has(x.text("/"), "Log in", "Password")
	has(x.text("/first/"+token), "Choose a password", "anna")
	x.run(chromedp.SendKeys("#password", "a sentence of mine"), chromedp.SendKeys("#again", "a sentence of mine"))
	x.press("form.card button")
	has(x.here("after the first login"), "needs somebody", "1 conflict is open.", "migori has been silent for 14 days; it is used to 7 days at most.", "siaya was added")
	x.picture("page-hub-phone")

	for _, size := range []struct {
		width, height int64
		dark          bool
	}{{360, 740, true}, {1280, 900, false}, {1280, 900, true}} {
		x.resize(size.width, size.height, size.dark)
		has(x.text("/"), "3 of 3 sites", "migori", "kisumu")
		if size.width > 1000 && !size.dark {
			x.picture("page-hub")
		}
		has(x.text("/sites/migori"), "7 days", "8 days", "When it was silent")
		if size.width > 1000 && !size.dark {
			x.picture("page-site")
		}
		has(x.text("/waiting"), "another row here has the same value", "kisumu")
		has(x.text("/conflicts"), "site", "kisumu")
		has(x.text("/log"), "anna")
		has(x.text("/sites/kisumu"), "What it says of itself", "What came in the last 90 days")
		has(x.text("/sites/kisumu/tables"), "site", "both ways")
		has(x.text("/invitations"), "Make the sheet")
		has(x.text("/files"), "All files that came are applied.")
		has(x.text("/requests"), "Nobody asks for a patient.")
		has(x.text("/stick"), "No stick is there.")
		has(x.text("/doctor"), "Look now")
		has(x.text("/join"), "Token")
		has(x.text("/needs"), "What needs somebody at hub", "migori has been silent", "To print, or to send")
		has(x.text("/tables"), "Tables of all sites", "both ways")
		has(x.text("/policies"), "Who wins", "everything else", "the later value")
		has(x.text("/match"), "This node has no hub to compare with.")
		has(x.text("/sites/kisumu/compared"), "It was never compared.")
		has(x.text("/nothing"), "no such thing")
	}
	x.resize(1280, 900, false)
	x.text("/conflicts")
	x.press(".card h2 a")
	has(x.here("a conflict"), "Ward 3, Kisumu", "Ward three")
	x.picture("page-conflict")
	x.press(`form[action$="/lost"] button`)
	x.run(chromedp.WaitVisible(`form[action$="/lost"], form[action$="/kept"], form[action$="/undo"]`), chromedp.WaitVisible(".message"))
	text := x.here("after a decision")
	has(text, "Done", "took the lost value", "Take the decision back")
	x.press(`form[action$="/undo"] button`)
	x.run(chromedp.WaitVisible(`form[action$="/kept"]`))
	has(x.here("after it was taken back"), "open again")

	x.resize(360, 740, false)
	has(x.text("/waiting?peer=kisumu"), "another row here has the same value")
	x.press(".card h2 a")
	has(x.here("a row that waits"), "Pharmacy", "k1")
	w.sql("hub", "UPDATE site SET name = 'Old pharmacy' WHERE uuid = 'h1'")
	x.press(`form[action="/waiting/retry"] button`)
	x.run(chromedp.WaitVisible(".message"))
	has(x.here("after a retry"), "1 row of kisumu that waited: applied", "Nothing waits.")

	x.text("/sites/kisumu/tables")
	x.run(chromedp.SetAttributeValue(`#direction option[value="down"]`, "selected", "selected"))
	x.press(`form[action$="/look"] button`)
	has(x.here("what a change of tables does"), "both ways → down only", "Do it")
	x.picture("page-tables-phone")
	x.press(`form[action$="/set"] button`)
	x.run(chromedp.WaitVisible(".message"))
	has(x.here("after the change"), "kisumu, site: down, was both", "down only")

	x.text("/policies")
	x.run(chromedp.SetValue("#column", "name"), chromedp.SetAttributeValue(`#policy option[value="parent"]`, "selected", "selected"))
	x.press(`form[action$="/set"] button`)
	x.run(chromedp.WaitVisible(".message"))
	has(x.here("after a policy was set"), "site.name: parent, from the next import on", "the hub's value")
	x.press(`form[action$="/remove"] button`)
	x.run(chromedp.WaitNotPresent(`form[action$="/remove"]`))
	has(x.here("after it was taken back"), "site.name has no policy of its own any more")

	x.text("/doctor")
	x.press("main form button")
	has(x.here("what is wrong"), "backup of the home folder", "Looked")

	x.text("/sites/siaya")
	x.run(chromedp.Click("main summary"), chromedp.WaitVisible("button.grave"))
	x.press("button.grave")
	x.run(chromedp.WaitVisible(`form[action$="/resume"]`))
	has(x.here("after a suspension"), "siaya is suspended: nothing is exchanged with it.")

	has(x.text("/?lang=fr"), "Comment ça va", "migori ne dit rien depuis 14 jours")
	has(x.text("/conflicts"), "Conflits")
	for path, want := range map[string]string{"/invitations": "Inviter une clinique", "/join": "Rejoindre un hub", "/files": "Tous les fichiers arrivés sont appliqués.", "/stick": "Une clé USB", "/doctor": "Regarder maintenant", "/needs": "Ce qui est à traiter à", "/tables": "Tables de tous les sites", "/policies": "la valeur la plus récente", "/match": "Il n’y a pas de hub avec lequel comparer.",
		"/sites/kisumu": "Ce qu’il dit de lui-même", "/sites/kisumu/tables": "vers le bas seulement"} {
		has(x.text(path), want)
	}
	x.text("/?lang=en")
	x.press(".who button")
	has(x.here("after the end"), "Log in")
}

// At a clinic there is one big sign, and sync now.
func TestPageAtClinic(t *testing.T) {
	ctx := browser(t)
	w := newPageWorld(t)
	file, err := os.OpenFile(filepath.Join(w.dir, "kisumu", "omsync.toml"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(file, "\n[[link]]\nurl = \"folder:%s\"\n", filepath.Join(w.dir, "stick"))
		file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	people := w.serve("kisumu")
	token, err := people.Add("nurse", accounts.Operator)
	if err != nil {
		t.Fatal(err)
	}
	x := &walk{pageWorld: w, ctx: ctx}
	x.resize(360, 740, false)
	x.text("/first/" + token)
	x.run(chromedp.SendKeys("#password", "a sentence of mine"), chromedp.SendKeys("#again", "a sentence of mine"))
	x.press("form.card button")
	if text := x.here("the clinic"); !strings.Contains(text, "changes since") || !strings.Contains(text, "are not at hub yet") || !strings.Contains(text, "Sync now") {
		t.Errorf("the clinic:\n%s", text)
	}
	x.picture("page-clinic-phone")
	x.press(".acts button")
	deadline := time.Now().Add(time.Minute)
	for text := ""; !strings.Contains(text, "sync from here"); text = x.text("/") {
		if time.Now().After(deadline) {
			t.Fatalf("the sync does not end:\n%s", text)
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.sync("hub", "kisumu")
	if text := x.text("/"); !strings.Contains(text, "hub") {
		t.Errorf("afterwards:\n%s", text)
	}
}
