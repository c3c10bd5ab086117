package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/page/accounts"
	"github.com/omsync/omsync/progress"
	"github.com/omsync/omsync/words"
)

//go:embed views/*.html
var htmls embed.FS

//go:embed views/style.css
var css []byte

// maxShown is how many characters of a text that somebody else wrote are shown.
const maxShown = 300

// view is the page in one language.
type view struct {
	printer   *words.Printer
	templates *template.Template
}

// views are the page in all languages.
type views struct {
	catalogues *words.Catalogues
	byTag      map[language.Tag]*view
}

func loadViews() (*views, error) {
	catalogues, err := words.Load()
	if err != nil {
		return nil, err
	}
	v := &views{catalogues, map[language.Tag]*view{}}
	for _, tag := range words.Languages() {
		p := catalogues.For(tag.String())
		p.Clean = isolated
		t, err := template.New("").Funcs(functions(p)).ParseFS(htmls, "views/*.html")
		if err != nil {
			return nil, fmt.Errorf("read the views: %w", err)
		}
		v.byTag[tag] = &view{p, t}
	}
	return v, nil
}

// functions are what templates can call.
func functions(p *words.Printer) template.FuncMap {
	return template.FuncMap{
		"say":   p.Say,
		"text":  p.Text,
		"step":  p.Step,
		"path":  pathOf,
		"level": p.Level,
		"clean": clean,
		"lines": lines,
		"age": func(t any) string {
			switch t := t.(type) {
			case time.Time:
				return p.At(t)
			case *time.Time:
				if t != nil {
					return p.At(*t)
				}
			}
			return p.Say("never")
		},
		"span":    p.Age,
		"length":  func(seconds int64) string { return p.Age(time.Duration(seconds) * time.Second) },
		"moment":  func(t time.Time) string { return t.Local().Format("2006-01-02 15:04") },
		"machine": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"class": func(l progress.Level) string {
			b, _ := l.MarshalText()
			return string(b)
		},
		"languages": func() []string {
			var out []string
			for _, t := range words.Languages() {
				out = append(out, t.String())
			}
			return out
		},
		"edition": func() string { // another after an update: browsers keep what they have of it
			sum := sha256.Sum256(css)
			return hex.EncodeToString(sum[:4])
		},
		"direction": func(way string) string { return directionText(p, way) },
		"preset":    func(preset string) string { return presetText(p, preset) },
		"size":      sizeOf,
		"number":    fileNumber,
		"live":      func() template.HTML { return liveMark },
		"date":      func(seconds int64) string { return time.Unix(seconds, 0).Local().Format(time.DateOnly) },
		"itself":    words.Itself,
	}
}

// directionText is a way that a table goes, in words. One with more in it is as omsync tables says it.
func directionText(p *words.Printer, way string) string {
	switch way {
	case "both":
		return p.Say("both ways")
	case "down":
		return p.Say("down only: from the hub to the site")
	case "up":
		return p.Say("up only: from the site to the hub")
	case "add":
		return p.Say("down, and what the site adds goes up")
	case "own":
		return p.Say("down without other sites' rows, and what the site adds goes up")
	case "none":
		return p.Say("not at all")
	case "default":
		return p.Say("as if nothing had been set")
	}
	return clean(way)
}

// presetText is a kind of network in words.
func presetText(p *words.Printer, preset string) string {
	switch preset {
	case "collect":
		return p.Say("collect: patients go up, and to no other site")
	case "share":
		return p.Say("share: all sites have all patients")
	case "mirror":
		return p.Say("mirror: the site is a copy, and nothing goes up")
	}
	return clean(preset)
}

// sizeOf is a number of bytes.
func sizeOf(bytes any) string {
	switch b := bytes.(type) {
	case int64:
		return words.Size(b)
	case uint64:
		return words.Size(int64(b))
	}
	return ""
}

// clean makes a text that somebody else wrote one that stays in its place: of a length, and with nothing in it that changes the direction or
// the lines of what stands beside it.
func clean(s string) string {
	if utf8.RuneCountInString(s) > maxShown {
		s = string([]rune(s)[:maxShown]) + "…"
	}
	return strings.Map(func(c rune) rune {
		if c != ' ' && !strconv.IsPrint(c) {
			return '\uFFFD'
		}
		return c
	}, s)
}

// pathOf returns the view that does what a step says; "" if there is none.
func pathOf(s progress.Step) string {
	peer, ofPeer := strings.CutPrefix(s.Command, "quarantine list --peer ")
	switch {
	case ofPeer:
		return "/waiting?peer=" + url.QueryEscape(peer)
	case s.Command == "conflicts list":
		return "/conflicts"
	case s.Command == "inbox list", strings.HasPrefix(s.Command, "import --accept-deletions "):
		return "/files"
	case s.Command == "doctor":
		return "/doctor"
	}
	return ""
}

// lines is clean for what a command printed, which may have several lines.
func lines(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		out = append(out, clean(strings.TrimRight(line, "\r\n")))
	}
	return strings.Join(out, "\n")
}

// isolated is clean for a text within a sentence: one that is written from right to left stays in its place.
func isolated(s string) string {
	s = clean(s)
	if strings.ContainsFunc(s, func(c rune) bool { return c >= 0x0590 }) {
		return "\u2068" + s + "\u2069"
	}
	return s
}

// of returns the view in the language of who asks: as chosen on the page, otherwise as the browser says.
func (v *views) of(w http.ResponseWriter, r *http.Request) *view {
	const cookie = "omsync-language"
	if chosen := r.URL.Query().Get("lang"); chosen != "" {
		tag := v.catalogues.For(chosen).Tag
		http.SetCookie(w, &http.Cookie{Name: cookie, Value: tag.String(), Path: "/", MaxAge: 365 * 24 * 3600, SameSite: http.SameSiteLaxMode, HttpOnly: true})
		return v.byTag[tag]
	}
	wanted := r.Header.Get("Accept-Language")
	if c, err := r.Cookie(cookie); err == nil {
		wanted = c.Value
	}
	return v.byTag[v.catalogues.For(wanted).Tag]
}

// frame is what each view stands in.
type frame struct {
	Title, Language, Path string
	Current               string // the path that is shown; "" after an act that shows something itself
	Who                   string
	Operator              bool
	Message               string // what the last act did
	Failed                bool   // it did not
	Body                  any
}

// show answers with a view. title is a text that the catalogues have.
func (a *asked) show(code int, name, title string, body any) error {
	f := frame{Title: a.view.printer.Say(title), Language: a.view.printer.Tag.String(), Path: a.r.URL.Path, Current: a.r.URL.Path, Who: a.account.Name,
		Operator: a.account.Role.May(accounts.Act), Body: body}
	if a.r.Method != http.MethodGet {
		f.Path, f.Current = "/", ""
	}
	if a.account.Name != "" {
		f.Message = a.page.sessions.PopString(a.ctx(), keyMessage)
		f.Failed = a.page.sessions.PopBool(a.ctx(), keyFailed)
	}
	var b bytes.Buffer
	if err := a.view.templates.ExecuteTemplate(&b, name, f); err != nil {
		return fmt.Errorf("show %s: %w", name, err)
	}
	a.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	a.w.WriteHeader(code)
	before, after, live := bytes.Cut(b.Bytes(), []byte(liveMark))
	_, _ = a.w.Write(before) // whoever asked may be gone
	if live {
		a.follow()
	}
	_, _ = a.w.Write(after)
	return nil
}

// refuse answers that something is not to be had.
func (a *asked) refuse(code int, why string) {
	if err := a.show(code, "refused", "Not done", why); err != nil {
		a.page.Log.Error("show", "error", err)
		http.Error(a.w, why, code)
	}
}

// fail answers for an error. What it says stays on this side of the login.
func (a *asked) fail(err error) {
	say := a.view.printer.Say
	switch {
	case errors.Is(err, context.Canceled) && a.ctx().Err() != nil:
		return
	case errors.Is(err, errNothing):
		a.refuse(http.StatusNotFound, say("There is no such thing here, or no more."))
		return
	case isTooLarge(err):
		a.refuse(http.StatusRequestEntityTooLarge, say("That is too long."))
		return
	}
	a.page.Log.Error("request", "path", a.r.URL.Path, "error", err)
	why := say("This cannot be shown now: the database does not answer, or something else is wrong. Nothing is lost. Try again in a minute.")
	if a.account.Name != "" {
		why += " (" + clean(err.Error()) + ")"
		var f *failure.Failure
		if errors.As(err, &f) && f.Hint != "" {
			why += " " + clean(f.Hint)
		}
	}
	a.refuse(http.StatusServiceUnavailable, why)
}

func isTooLarge(err error) bool {
	var e *http.MaxBytesError
	return errors.As(err, &e)
}

func (p *Page) style(a *asked) error {
	a.w.Header().Set("Content-Type", "text/css; charset=utf-8")
	a.w.Header().Set("Cache-Control", "public, max-age=86400")
	_, err := a.w.Write(css)
	return err
}

func (p *Page) nothing(*asked) error { return errNothing }

// back sends the browser to a path of the page.
func (a *asked) back(path ...string) {
	for i := range path {
		path[i] = url.PathEscape(path[i])
	}
	http.Redirect(a.w, a.r, "/"+strings.Join(path, "/"), http.StatusSeeOther)
}

// withNode calls f with the node.
func (a *asked) withNode(f func(*node.Node) error) error { return a.page.source.with(a.ctx(), f) }
