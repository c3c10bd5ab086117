package words

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/omsync/omsync/progress"
)

// sayers are the packages that say something to people in their language.
var sayers = []string{"../words", "../progress", "../node/page", "../node/status"}

// said returns the texts that the program says: the first argument of each Say in Go and of each say in templates, and where it stands. What
// is no constant there is a fault.
func said(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	inTemplate := regexp.MustCompile(`\bsay "((?:[^"\\]|\\.)*)"`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "..":
			return fs.SkipDir
		case filepath.Ext(path) == ".html":
			b, err := os.ReadFile(path)
			for _, m := range inTemplate.FindAllStringSubmatch(string(b), -1) {
				text, uerr := strconv.Unquote(`"` + m[1] + `"`)
				if uerr != nil {
					t.Errorf("%s: %q", path, m[1])
				}
				out[text] = path
			}
			return err
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || !slices.Contains(sayers, filepath.ToSlash(filepath.Dir(path))):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for text := range saidIn(t, path, f) {
			out[text] = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 40 {
		t.Fatalf("only %d texts found", len(out))
	}
	return out
}

// saidIn returns the texts that a Go file says. What it says must be there to be read, but where a text is handed on.
func saidIn(t *testing.T, path string, f *ast.File) map[string]bool {
	out := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := ""
		switch fun := call.Fun.(type) {
		case *ast.Ident:
			name = fun.Name
		case *ast.SelectorExpr:
			name = fun.Sel.Name
		}
		// add is how progress says what it finds, the title of a view is said by show
		at, known := map[string]int{"Say": 0, "say": 0, "add": 2, "show": 2}[name]
		if !known || name == "add" && f.Name.Name != "progress" || len(call.Args) <= at {
			return true
		}
		switch arg := call.Args[at].(type) {
		case *ast.BasicLit:
			text, _ := strconv.Unquote(arg.Value)
			out[text] = true
		case *ast.Ident:
			if arg.Name != "key" && arg.Name != "title" {
				t.Errorf("%s says %s, which is no text", path, arg.Name)
			}
		case *ast.SelectorExpr:
			if f.Name.Name != "words" {
				t.Errorf("%s says %s, which is no text", path, arg.Sel.Name)
			}
		default:
			t.Errorf("%s says what is no text", path)
		}
		return true
	})
	return out
}

// Templates hold no words of their own: all of them are said.
func TestTemplatesSay(t *testing.T) {
	files, err := filepath.Glob("../node/page/views/*.html")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := regexp.MustCompile(`{{[^}]*}}`).ReplaceAllString(string(b), "")
		if m := regexp.MustCompile(`(?:aria-label|alt|title|placeholder)="[^"]*[a-z][^"]*"`).FindString(text); m != "" {
			t.Errorf("%s: %s", path, m)
		}
		text = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(text, "")
		text = strings.NewReplacer("omsync conflicts list --limit 0", "", "omsync scope requests", "", "omsync join", "", "--token TOKEN", "", "omsync", "", "OpenMRS", "", "NULL", "", "&amp;peer", "").Replace(text)
		if m := regexp.MustCompile(`\pL{2,}`).FindString(text); m != "" {
			t.Errorf("%s: %q is not said", path, m)
		}
	}
}

// Every text is in every language, says as much there, and no catalogue has a text that nothing says.
func TestTranslated(t *testing.T) {
	texts := said(t)
	english, err := read(language.English)
	if err != nil {
		t.Fatal(err)
	}
	for key := range english {
		if texts[key] == "" {
			t.Errorf("en: nothing says %q", key)
		}
	}
	for _, tag := range Languages()[1:] {
		entries, err := read(tag)
		if err != nil {
			t.Fatal(err)
		}
		for key, where := range texts {
			e, ok := entries[key]
			if !ok {
				t.Errorf("%s: %q, said in %s, is not translated", tag, key, where)
				continue
			}
			if e.Plural != english[key].Plural {
				t.Errorf("%s: %q has forms by argument %d, English by %d", tag, key, e.Plural, english[key].Plural)
			}
			for _, form := range []string{e.Text, e.One, e.Other} {
				if (e.Plural == 0) == (form == e.Text) && !sameVerbs(key, form) {
					t.Errorf("%s: %q does not say what %q says", tag, form, key)
				}
			}
		}
		for key := range entries {
			if texts[key] == "" {
				t.Errorf("%s: nothing says %q", tag, key)
			}
		}
	}
	for key, where := range texts {
		if strings.Contains(key, "%d") && !strings.Contains(key, ":%d") && english[key].Plural == 0 {
			t.Errorf("%s: %q has a number and no form for one", where, key)
		}
	}
}

var verb = regexp.MustCompile(`%(?:\[(\d)\])?([a-z])`)

// sameVerbs reports whether two texts print the same arguments.
func sameVerbs(a, b string) bool {
	list := func(s string) (out []string) {
		for i, m := range verb.FindAllStringSubmatch(strings.ReplaceAll(s, "%%", ""), -1) {
			n := fmt.Sprint(i + 1)
			if m[1] != "" {
				n = m[1]
			}
			out = append(out, n+m[2])
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(list(a), list(b))
}

func TestPrinter(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 26, 15, 0, 0, 0, time.Local) // a Thursday
	tuesday := now.AddDate(0, 0, -2)
	key, args := "%d changes since %s are not at %s yet.", []any{int64(1214), tuesday, "hub"}
	for wanted, want := range map[string]string{
		"":                          "1,214 changes since Tuesday are not at hub yet.",
		"tlh":                       "1,214 changes since Tuesday are not at hub yet.",
		"fr-CD,fr;q=0.9,en;q=0.5":   "1 214 changements depuis mardi ne sont pas encore à hub.",
		"pt-MZ":                     "1.214 alterações desde terça-feira ainda não estão em hub.",
		"es":                        "1.214 cambios desde el martes aún no están en hub.",
		"\xff;;q=x,,,":              "1,214 changes since Tuesday are not at hub yet.",
		strings.Repeat("fr,", 5000): "1",
	} {
		p := c.For(wanted)
		p.Now = func() time.Time { return now }
		got := strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(p.Say(key, args...))
		if !strings.HasPrefix(got, want) {
			t.Errorf("%.40q: %q", wanted, got)
		}
	}
	for env, want := range map[string]string{"fr_FR.UTF-8": "fr", "pt_BR": "pt", "es_MX@euro": "es", "C": "en", "C.UTF-8": "en", "POSIX": "en", "": "en"} {
		p := c.ForSystem(func(name string) string {
			if name == "LANG" {
				return env
			}
			return ""
		})
		if p.Tag.String() != want {
			t.Errorf("LANG=%s: %v", env, p.Tag)
		}
	}
	p := c.For("en")
	p.Now = func() time.Time { return now }
	for _, x := range []struct{ got, want string }{
		{p.Say("%d days", 1), "1 day"},
		{p.Say("%s has been silent for %s.", "<b>%d", 50*time.Hour), "<b>%d has been silent for 2 days."},
		{p.Say("%s has all, and was heard %s.", "x", progress.Since(now.Add(-3*time.Hour))), "x has all, and was heard 3 hours ago."},
		{p.Day(now.Add(-time.Hour)), "14:00"}, {p.Day(now.AddDate(0, 0, -6)), "Friday"}, {p.Day(now.AddDate(0, 0, -7)), "2026-11-19"}, {p.Day(now.AddDate(0, 0, 3)), "2026-11-29"},
		{p.Age(-90 * time.Second), "a minute"}, {p.At(now.Add(time.Hour)), "just now"},
	} {
		if x.got != x.want {
			t.Errorf("%q, want %q", x.got, x.want)
		}
	}
}

func TestItself(t *testing.T) {
	for _, tag := range Languages() {
		if got, want := Itself(tag.String()), display.Self.Name(tag); got != want {
			t.Errorf("%s: %q, want %q", tag, got, want)
		}
	}
}
