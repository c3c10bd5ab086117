package server_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/httpsig"
	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/upload"
	"github.com/omsync/omsync/transport/web/webtest"
)

// table returns the cells of the document's table with a heading in its first cell, without the heading.
func table(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	in := false
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			in = false
		case cells[0] == heading:
			in = true
		case in && cells[0] != "---":
			rows = append(rows, cells)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no table %q", document, heading)
	}
	return rows
}

// wantSame compares what the document and the code have.
func wantSame(t *testing.T, document, code []string) {
	t.Helper()
	slices.Sort(document)
	slices.Sort(code)
	if document, code = slices.Compact(document), slices.Compact(code); !slices.Equal(document, code) {
		t.Errorf("the document has\n%q\nthe code has\n%q", document, code)
	}
}

func TestDocumentedRequests(t *testing.T) {
	var said, are []string
	for _, row := range table(t, "request") {
		said = append(said, row[0]+" "+row[1])
	}
	for request, signed := range server.Routes() {
		are = append(are, request+" "+map[bool]string{true: "yes", false: "no"}[signed])
	}
	wantSame(t, said, are)
}

func TestDocumentedComponents(t *testing.T) {
	var said []string
	for _, row := range table(t, "component") {
		said = append(said, row[0])
	}
	m := httpsig.Message{Method: "PATCH", Length: 1, Header: http.Header{}}
	for _, name := range []string{"Content-Digest", "Upload-Offset", "Upload-Length", "Upload-Metadata", "Range", "Omsync-Wait", "Omsync-Mail", "Expect", "Tus-Resumable"} {
		m.Header.Set(name, "x")
	}
	wantSame(t, said, m.Required())
	if got := fmt.Sprintf("%q", (httpsig.Message{Method: "GET"}).Required()); got != `["@method" "@path" "@query" "omsync-to"]` {
		t.Errorf("always signed: %s", got)
	}
}

// TestDocumentedProblems compares the document with the pairs of a status and a type that are in any package of the module.
func TestDocumentedProblems(t *testing.T) {
	var said []string
	for _, row := range table(t, "status") {
		said = append(said, row[0]+" "+row[1])
	}
	types := problemTypes(t)
	are := problemsIn(t, "../../..", types)
	wantSame(t, said, are)
	var named []string
	for _, pair := range said {
		_, kind, _ := strings.Cut(pair, " ")
		named = append(named, kind)
	}
	wantSame(t, named, slices.Collect(maps.Values(types)))
}

// problemTypes returns the values of the constants web.Type..., by their names.
func problemTypes(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../problem.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Type") {
			out[v.Names[0].Name] = literal(v.Values[0])
		}
		return true
	})
	return out
}

func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		if s, err := strconv.Unquote(l.Value); err == nil {
			return s
		}
	}
	return ""
}

// problemsIn returns "STATUS TYPE" of all that the programs below a folder make: arguments, or fields of a web.Problem, of which
// one is an http.Status... and the next a type.
func problemsIn(t *testing.T, dir string, types map[string]string) (out []string) {
	t.Helper()
	statuses := statusCodes()
	values := slices.Collect(maps.Values(types))
	pair := func(first, second ast.Expr) {
		status, kind := statuses[selected(first, "http")], types[selected(second, "web")]
		if text := literal(second); slices.Contains(values, text) {
			kind = text
		}
		if status != 0 && kind != "" {
			out = append(out, fmt.Sprint(status, " ", kind))
		}
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.Contains(path, "webtest") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			var list []ast.Expr
			switch n := n.(type) {
			case *ast.CallExpr:
				list = n.Args
			case *ast.CompositeLit:
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						list = append(list, kv.Value)
					}
				}
			}
			for i := 1; i < len(list); i++ {
				pair(list[i-1], list[i])
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

// selected returns the name that is taken from a package, "" if it is none.
func selected(e ast.Expr, pkg string) string {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if x, ok := s.X.(*ast.Ident); !ok || x.Name != pkg {
		return ""
	}
	return s.Sel.Name
}

// statusCodes returns the codes of the constants http.Status... for errors.
func statusCodes() map[string]int {
	out := map[string]int{"StatusRequestEntityTooLarge": http.StatusRequestEntityTooLarge}
	for code := 400; code < 600; code++ {
		name := strings.NewReplacer(" ", "", "-", "", "'", "").Replace(http.StatusText(code))
		out["Status"+name] = code
	}
	return out
}

func TestDocumentedLimits(t *testing.T) {
	file, partial, requests, ofOne, stall := webtest.NewHub(t, nil).Server.Load().Limits()
	if partial != 2*file || stall.String() != "1m0s" {
		t.Errorf("a node may have %d bytes here and stall for %v", partial, stall)
	}
	var said, are []string
	for _, row := range table(t, "what") {
		said = append(said, row[0]+": "+row[1])
	}
	for what, most := range map[string]string{
		"a file": fmt.Sprintf("%d GiB, or `max_file` of the hub", file>>30),
		"what a node may have there, unfinished or not imported":       "twice as much",
		"the same, of the room beside the reserve and others' uploads": map[int]string{4: "a quarter"}[upload.NodeShare],
		"unfinished uploads of a node":                                 fmt.Sprint(upload.MaxUploads),
		"body of a `PATCH` without `Content-Digest":                    fmt.Sprintf("none up to %d KiB", web.MaxDigested>>10),
		"Upload-Metadata":                        fmt.Sprintf("%d KiB", web.MaxMetadata>>10),
		"header of a request or an answer":       fmt.Sprintf("%d KiB", web.MaxHeader>>10),
		"a request to join":                      fmt.Sprintf("%d KiB", web.MaxJoin>>10),
		"a file that comes along with a receipt": fmt.Sprintf("%d KiB", web.MaxInline>>10),
		"all of them":                            fmt.Sprintf("%d MiB", web.MaxInlineAll>>20),
		"difference of the clocks":               httpsig.ClockSlack.String(),
		"nonces of a node in 10 minutes":         fmt.Sprint(httpsig.MaxNonces),
		"requests at once":                       fmt.Sprint(requests),
		"a request that waits":                   web.MaxWait.String(),
		"requests of one node that wait":         fmt.Sprint(web.MaxWaits),
		"of one node":                            fmt.Sprint(ofOne),
	} {
		are = append(are, what+": "+most)
	}
	wantSame(t, said, are)
}
