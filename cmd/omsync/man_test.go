package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manPages are the pages by their file names.
func manPages(t *testing.T) (dir string, pages map[string]string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "man")
	root := newRoot()
	root.SetArgs([]string{"man", dir})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	pages = map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		pages[f.Name()] = string(b)
	}
	return dir, pages
}

// plain is a page's text without what sets it, its words separated by blanks.
func plain(page string) string {
	page = regexp.MustCompile(`(?m)^\.(SH|TP|PP|EX|EE|nh|TH).*$`).ReplaceAllString(page, "")
	page = regexp.MustCompile(`\\f[A-Z]`).ReplaceAllString(page, "")
	page = strings.NewReplacer(`\\`, `\`, `\e`, `\`, `\-`, "-", `\&`, "", `\[la]`, "<", `\[ra]`, ">", `\[rs]`, `\`).Replace(page)
	return words(page)
}

func words(s string) string { return strings.Join(strings.Fields(s), " ") }

// TestManSaysAll looks for every text that --help prints in the pages: read as Markdown, nothing of it may be lost.
func TestManSaysAll(t *testing.T) {
	_, pages := manPages(t)
	found := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		page, ok := pages[name]
		if c.Hidden {
			if ok {
				t.Errorf("%s: a page of a hidden command", name)
			}
			return
		}
		found++
		texts := []string{c.Short, c.Long, c.UseLine()}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				texts = append(texts, "--"+f.Name, f.Usage)
			}
		})
		for _, text := range texts {
			if !strings.Contains(plain(page), words(text)) {
				t.Errorf("%s lacks %q", name, text)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
	if found != len(pages) {
		t.Errorf("%d pages of %d commands", len(pages), found)
	}
}

// TestMarkdownIsLiteral sends what Markdown would take for its own through the page of a command.
func TestMarkdownIsLiteral(t *testing.T) {
	text := "a *b* _c_ omsync_conflict `d` <e> [f](g) ~~h~~ #i \\j & \\*k* | l &amp; m"
	c := &cobra.Command{Use: "x [FILE|FOLDER]... <g>", Short: text, Long: text, Run: func(*cobra.Command, []string) {}}
	c.Flags().Bool("flag", false, text)
	literal(c)
	dir := t.TempDir()
	date, err := manDate()
	if err != nil {
		t.Fatal(err)
	}
	if err := writePages(c, date, dir); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "x.1"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(plain(string(page)), text); n != 3 {
		t.Errorf("the text is there %d times of 3:\n%s", n, page)
	}
	if !strings.Contains(plain(string(page)), "x [FILE|FOLDER]... <g>") {
		t.Errorf("the synopsis is another:\n%s", page)
	}
}

func TestManIsReproducible(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000") // 2023-11-14 22:13:20 UTC, the next day east of Greenwich
	_, first := manPages(t)
	if page := first["omsync.1"]; !strings.Contains(page, `"2023-11-14"`) {
		t.Errorf("not the date that SOURCE_DATE_EPOCH says: %.80s", page)
	}
	for _, env := range []string{"1700000000", "", "1"} {
		t.Setenv("SOURCE_DATE_EPOCH", env)
		_, again := manPages(t)
		same := first["omsync.1"] == again["omsync.1"]
		if want := env == "1700000000"; same != want {
			t.Errorf("SOURCE_DATE_EPOCH=%q: the same pages: %t", env, same)
		}
		if len(again) != len(first) {
			t.Errorf("%d pages, then %d", len(first), len(again))
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	root := newRoot()
	root.SetArgs([]string{"man", t.TempDir()})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), `"yesterday"`) {
		t.Errorf("a date that is none: %v", err)
	}
}

func TestManRenders(t *testing.T) {
	if out, err := exec.Command("man", "--version").Output(); err != nil || !bytes.HasPrefix(out, []byte("man 2")) {
		t.Skip("no man of man-db here")
	}
	dir, pages := manPages(t)
	for name := range pages {
		cmd := exec.Command("man", "--warnings", "-l", "-Tutf8", filepath.Join(dir, name))
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80", "MANROFFSEQ=")
		var out, warnings bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &warnings
		if err := cmd.Run(); err != nil || warnings.Len() > 0 {
			t.Errorf("man %s: %v\n%s", name, err, warnings.String())
		}
		if !strings.Contains(out.String(), "omsync") {
			t.Errorf("man %s prints %q", name, out.String())
		}
	}
}

func TestCompletions(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			var script bytes.Buffer
			root := newRoot()
			root.SetOut(&script)
			root.SetArgs([]string{"completion", shell})
			if err := root.Execute(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(script.String(), "__complete") {
				t.Fatalf("a script that asks omsync nothing:\n%.200s", script.String())
			}
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("no %s here", shell)
			}
			file := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(file, script.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(shell, "-n", file).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s -n: %v\n%s", shell, err, out)
			}
		})
	}
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs([]string{"__complete", ""})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, c := range newRoot().Commands() {
		if got := strings.Contains(out.String(), c.Name()+"\t"); got == c.Hidden {
			t.Errorf("completes %s: %t", c.Name(), got)
		}
	}
}
