package layers

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/omsync/omsync/"

// may says which packages of the project a package imports; each stands below those that name it. What apply and capture have in
// common stands below both, and they meet in exchange. Only a command sees all.
var may = map[string][]string{
	// Formats, rules and means: they import nothing of ours.
	"batch": nil, "keys": nil, "merge": nil, "transport": nil,
	"internal/durable": nil, "internal/failure": nil, "internal/layers": nil, "internal/mutation": nil, "internal/sqldb": nil, "internal/tomlfile": nil,
	// The database and the ways.
	"access":              {"merge"},
	"schema":              {"access", "internal/sqldb", "internal/tomlfile"},
	"internal/headers":    {"batch", "merge"},
	"enrol":               {"internal/durable", "keys"},
	"transport/bucket":    {"transport"},
	"transport/storetest": {"transport"},
	"transport/web":       {"transport"},
	"journal":             {"access", "internal/sqldb", "merge", "schema"},
	"preflight":           {"internal/failure", "internal/sqldb", "schema"},
	// Out of the database and into it.
	"capture": {"access", "batch", "internal/headers", "internal/sqldb", "journal", "merge", "schema"},
	"apply":   {"access", "batch", "internal/headers", "internal/sqldb", "journal", "merge", "schema"},
	// Here capture and apply meet.
	"exchange": {"access", "apply", "batch", "capture", "internal/durable", "journal", "keys", "merge", "transport"},
	// A node, and what a command asks of it.
	"config": {"internal/durable", "internal/failure", "internal/tomlfile", "keys", "merge", "schema"},
	"hook":   {"apply", "internal/durable", "internal/failure"},
	"node": {"access", "capture", "config", "enrol", "exchange", "hook", "internal/failure", "internal/sqldb", "journal", "keys", "merge", "preflight",
		"schema"},
	"status": {"access", "exchange", "journal", "node"},
	"links":  {"access", "apply", "config", "exchange", "internal/failure", "journal", "node", "transport", "transport/bucket", "transport/web"},
	"hub": {"access", "apply", "batch", "config", "enrol", "exchange", "hook", "internal/failure", "journal", "keys", "node", "transport",
		"transport/web"},
}

// harness is what only tests use, and the generator of test data.
var harness = []string{"internal/dbtest", "internal/netfault", "internal/nodetest", "internal/openmrs", "internal/openmrs/gen", "internal/sites"}

// Each package imports those below it alone.
func TestLayers(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}:{{join .Imports \" \"}}", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		name, imports, _ := strings.Cut(line, ":")
		name = strings.TrimPrefix(name, module)
		if slices.Contains(harness, name) {
			continue
		}
		allowed, ok := may[name]
		if !ok {
			if name != "cmd/omsync" {
				t.Errorf("package %s has no place in the layers", name)
			}
			continue
		}
		seen++
		for _, i := range strings.Fields(imports) {
			if ours, is := strings.CutPrefix(i, module); is && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s", name, ours)
			}
		}
	}
	if seen != len(may) {
		t.Errorf("%d packages seen, %d expected", seen, len(may))
	}
}
