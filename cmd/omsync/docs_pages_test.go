package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// repository is the path of the repository from the folder of this package.
const repository = "../.."

// page is a document: its path in the repository and its text.
type page struct {
	path, text string
}

// pages reads all documents.
func pages(t *testing.T) []page {
	t.Helper()
	paths := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "batch/FORMAT.md"}
	found, err := filepath.Glob(filepath.Join(repository, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		paths = append(paths, "docs/"+filepath.Base(path))
	}
	var out []page
	for _, path := range paths {
		out = append(out, readPage(t, path))
	}
	return out
}

func readPage(t *testing.T, path string) page {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return page{path, string(b)}
}

// section is the text below a heading, up to the next heading of the same or a higher level.
func (p page) section(t *testing.T, heading string) string {
	t.Helper()
	level := strings.Repeat("#", strings.IndexByte(heading, ' '))
	_, text, ok := strings.Cut(p.text, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", p.path, heading)
	}
	if end := regexp.MustCompile(`(?m)^#{1,` + strconv.Itoa(len(level)) + `} `).FindStringIndex(text); end != nil {
		text = text[:end[0]]
	}
	return text
}

// tableRows are the rows of the tables in a text, without their headings: the cells of each.
func tableRows(text string) [][]string {
	var out [][]string
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		isHeading := i+1 < len(lines) && strings.HasPrefix(lines[i+1], "| ---")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || isHeading {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		out = append(out, cells)
	}
	return out
}

var (
	fenced   = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```")
	indented = regexp.MustCompile(`(?m)^    .*$`)
	inline   = regexp.MustCompile("`([^`\n]+)`")
)

// commandLines is what a document sets as code, line by line: blocks, and what stands within a line if it begins like a command.
func (p page) commandLines() []string {
	var out []string
	text := fenced.ReplaceAllStringFunc(p.text, func(block string) string {
		out = append(out, strings.Split(fenced.FindStringSubmatch(block)[1], "\n")...)
		return ""
	})
	out = append(out, indented.FindAllString(text, -1)...)
	for _, m := range inline.FindAllStringSubmatch(indented.ReplaceAllString(text, ""), -1) {
		if strings.HasPrefix(m[1], "omsync ") || strings.HasPrefix(m[1], "sudo ") {
			out = append(out, m[1])
		}
	}
	return out
}

// anchors are the names by which a page's headings can be linked to.
func anchors(p page) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(fenced.ReplaceAllString(p.text, ""), -1) {
		name := strings.ToLower(m[1])
		name = regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(name, "")
		out = append(out, strings.ReplaceAll(name, " ", "-"))
	}
	return out
}

// holdsInOrder reports whether a text holds all fragments, one after the other.
func holdsInOrder(text string, fragments []string) bool {
	for _, f := range fragments {
		_, after, ok := strings.Cut(text, strings.TrimSpace(f))
		if !ok {
			return false
		}
		text = after
	}
	return true
}

// literals are all string literals of the program's source; those that are added up are one.
func literals(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			return fs.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if s := added(n); s != "" {
					out = append(out, s)
				}
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
					out = append(out, s)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// added is the text of literals that are added up.
func added(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return added(e.X) + added(e.Y)
		}
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); e.Kind == token.STRING && err == nil {
			return s
		}
	}
	return ""
}
