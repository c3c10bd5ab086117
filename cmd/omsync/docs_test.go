package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/journal"
)

// The tests of this file keep what the documents claim true. docs_pages_test.go reads the documents; what the tests need to
// know of the program is in docs_facts_test.go.

// TestDocumentedSettings compares docs/configuration.md with the configuration's struct and its defaults.
func TestDocumentedSettings(t *testing.T) {
	documented := map[string]string{}
	for _, row := range tableRows(readPage(t, "docs/configuration.md").text) {
		name := strings.Trim(row[0], "`")
		if len(row) == 3 && regexp.MustCompile(`^([a-z_.]+(TABLE)?|scope\.rule\.NAME\.[a-z]+)$`).MatchString(name) && (row[1] == "none" || strings.HasPrefix(row[1], "`")) {
			documented[name] = strings.Trim(row[1], "`")
		}
	}
	settings := knownSettings()
	for name, value := range settings {
		if got, ok := documented[name]; !ok {
			t.Errorf("docs/configuration.md does not have the setting %s", name)
		} else if got != value {
			t.Errorf("docs/configuration.md says that the default of %s is %q; it is %q", name, got, value)
		}
	}
	for name := range documented {
		if _, ok := settings[name]; !ok {
			t.Errorf("docs/configuration.md has a setting %s, which the program does not know", name)
		}
	}
}

// TestDocumentedServeDefaults compares the defaults of [serve] with what the flags of omsync serve say.
func TestDocumentedServeDefaults(t *testing.T) {
	serve, _, err := newRoot().Find([]string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	settings := knownSettings()
	serve.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		name := "serve." + strings.ReplaceAll(f.Name, "-", "_")
		said := regexp.MustCompile(`\(default:? ([^)]+)\)`).FindStringSubmatch(f.Usage)
		if got, ok := settings[name]; ok && said != nil && said[1] != got {
			t.Errorf("the default of %s is %q, and the flag's help says %q", name, got, said[1])
		}
	})
}

// TestDocumentedExitCodes compares docs/troubleshooting.md and the help with the program's exit codes.
func TestDocumentedExitCodes(t *testing.T) {
	var documented, help []int
	for _, row := range tableRows(readPage(t, "docs/troubleshooting.md").section(t, "## Exit codes")) {
		code, err := strconv.Atoi(row[0])
		if err != nil {
			t.Errorf("docs/troubleshooting.md: exit code %q", row[0])
		}
		documented = append(documented, code)
	}
	_, text, _ := strings.Cut(newRoot().Long, "Exit codes:")
	for _, m := range regexp.MustCompile(`(?:^|;)\s*(\d+) `).FindAllStringSubmatch(text, -1) {
		code, _ := strconv.Atoi(m[1])
		help = append(help, code)
	}
	want := knownExitCodes()
	if !slices.Equal(documented, want) {
		t.Errorf("docs/troubleshooting.md has the exit codes %v, the program %v", documented, want)
	}
	if !slices.Equal(help, want) {
		t.Errorf("omsync --help has the exit codes %v, the program %v", help, want)
	}
}

// commandLine finds calls of omsync: at the beginning, after a prompt, a pipe, a semicolon, or what runs other commands.
var commandLine = regexp.MustCompile("(?:^|[\\s(`$;|&])omsync ((?:'[^']*'|\"[^\"]*\"|[^\\s'\";|&<>])[^;|&<>]*)")

// calls are the arguments of the calls of omsync in a line.
func calls(line string) [][]string {
	line = regexp.MustCompile(`(-[tog]|-u|--user|user|adduser|purge|install|useradd|chown) omsync\b`).ReplaceAllString(line, "$1 -")
	line = strings.ReplaceAll(line, "omsync  omsync", "omsync") // a crontab's user
	line, _, _ = strings.Cut(line, " # ")
	var out [][]string
	for _, m := range commandLine.FindAllStringSubmatch(line, -1) {
		var args []string
		for _, word := range regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(m[1], -1) {
			args = append(args, strings.Trim(word, `'",.:`))
		}
		if len(args) > 0 && regexp.MustCompile(`^(--)?[a-z]`).MatchString(args[0]) {
			out = append(out, args)
		}
	}
	return out
}

// TestDocumentedCommands finds every command and flag that the documents name in the program, and every command of the
// program in the guide.
func TestDocumentedCommands(t *testing.T) {
	root := newRoot()
	root.InitDefaultCompletionCmd()
	named := map[*cobra.Command]bool{}
	for _, p := range pages(t) {
		if p.path == "batch/FORMAT.md" {
			continue // names nothing but a domain string
		}
		for _, line := range p.commandLines() {
			for _, args := range calls(line) {
				c, rest, err := root.Find(args)
				if err != nil {
					t.Errorf("%s: omsync %s: %v", p.path, strings.Join(args, " "), err)
					continue
				}
				if p.path == "docs/guide.md" {
					named[c] = true
				}
				checkArguments(t, p, line, c, rest)
			}
		}
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && sub.Runnable() && !sub.HasSubCommands() && sub.Parent().Name() != "completion" && !named[sub] {
				t.Errorf("docs/guide.md does not name %s", sub.CommandPath())
			}
			walk(sub)
		}
	}
	walk(root)
}

func checkArguments(t *testing.T, p page, line string, c *cobra.Command, args []string) {
	t.Helper()
	for i, a := range args {
		name, isFlag := strings.CutPrefix(a, "--")
		name, _, _ = strings.Cut(name, "=")
		switch {
		case isFlag && name != "help" && c.Flags().Lookup(name) == nil && c.InheritedFlags().Lookup(name) == nil && c.Root().Flags().Lookup(name) == nil:
			t.Errorf("%s: %s has no flag --%s: %s", p.path, c.CommandPath(), name, line)
		case i == 0 && !isFlag && c.HasSubCommands() && c.Name() != "omsync":
			t.Errorf("%s: %s has no command %s: %s", p.path, c.CommandPath(), a, line)
		}
	}
}

// TestDocumentedTables compares docs/tables.md with the tables that the journal makes.
func TestDocumentedTables(t *testing.T) {
	server := dbtest.Server(t)
	name, _ := server.Database(t)
	db := server.Open(t, name)
	if err := journal.Create(t.Context(), db, journal.Node{Name: "documented"}); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	rows, err := db.QueryContext(t.Context(), "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		want[table+"."+column] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	tables := readPage(t, "docs/tables.md")
	said := regexp.MustCompile(`about format (\d+)`).FindStringSubmatch(tables.text)
	if said == nil {
		t.Fatal("docs/tables.md does not say which format it is about")
	}
	if now := strconv.Itoa(journal.Format); said[1] != now {
		t.Fatalf("docs/tables.md is about format %s, and the journal's is %s", said[1], now)
	}
	got := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (omsync_\w+)$`).FindAllStringSubmatch(tables.text, -1) {
		for _, row := range tableRows(tables.section(t, m[0])) {
			for _, column := range inline.FindAllStringSubmatch(row[0], -1) {
				got[m[1]+"."+column[1]] = true
			}
		}
	}
	for _, c := range slices.Sorted(maps.Keys(want)) {
		if !got[c] {
			t.Errorf("docs/tables.md does not have %s", c)
		}
	}
	for _, c := range slices.Sorted(maps.Keys(got)) {
		if !want[c] {
			t.Errorf("docs/tables.md has %s, which is no column", c)
		}
	}
}

// TestDocumentedMessages finds the messages of docs/troubleshooting.md in the source. … stands for what differs.
func TestDocumentedMessages(t *testing.T) {
	source := literals(t)
	p := readPage(t, "docs/troubleshooting.md")
	for _, row := range tableRows(p.text) {
		m := inline.FindStringSubmatch(row[0])
		if m == nil {
			continue
		}
		message := strings.TrimSpace(strings.TrimSuffix(m[1], "…"))
		fragments := strings.Split(message, "…")
		found := slices.ContainsFunc(source, func(s string) bool { return holdsInOrder(s, fragments) })
		if !found {
			t.Errorf("%s: no message of the program is like %q", p.path, m[1])
		}
	}
}

// TestDocumentsLinks follows the links from document to document, and looks for the files that documents name.
func TestDocumentsLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	file := regexp.MustCompile(`^[\w.]+(/[\w.-]+)+/?$`)
	for _, p := range pages(t) {
		text := fenced.ReplaceAllString(p.text, "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target, anchor, _ := strings.Cut(m[1], "#")
			path := p.path
			if target != "" {
				path = filepath.Join(filepath.Dir(p.path), target)
			}
			_, err := os.Stat(filepath.Join(repository, path))
			if err != nil {
				t.Errorf("%s: the link to %s leads nowhere", p.path, m[1])
			}
			if err == nil && anchor != "" && !slices.Contains(anchors(readPage(t, path)), anchor) {
				t.Errorf("%s: %s has no heading #%s", p.path, path, anchor)
			}
		}
		for _, m := range inline.FindAllStringSubmatch(text, -1) {
			first, _, _ := strings.Cut(m[1], "/")
			if _, err := os.Stat(filepath.Join(repository, first)); err != nil || !file.MatchString(m[1]) {
				continue // no path of this repository
			}
			_, err := os.Stat(filepath.Join(repository, m[1]))
			if err != nil {
				t.Errorf("%s: there is no %s", p.path, m[1])
			}
		}
	}
}

// TestGlossary keeps the glossary's terms in order, each short.
func TestGlossary(t *testing.T) {
	last := ""
	for paragraph := range strings.SplitSeq(readPage(t, "docs/glossary.md").text, "\n\n") {
		term, ok := strings.CutPrefix(paragraph, "**")
		if !ok {
			continue
		}
		term, _, _ = strings.Cut(term, "**")
		if strings.ToLower(term) < last {
			t.Errorf("docs/glossary.md: %s stands after %s", term, last)
		}
		last = strings.ToLower(term)
		if lines := strings.Count(strings.TrimSpace(paragraph), "\n") + 1; lines > 2 {
			t.Errorf("docs/glossary.md: %s has %d lines", term, lines)
		}
	}
}
