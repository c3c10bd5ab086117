package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestLayers holds the packages to their layers: each imports those below it alone, and export and apply meet only in exchange
// and above.
func TestLayers(t *testing.T) {
	const module = "github.com/omsync/omsync/"
	may := map[string][]string{
		"batch": nil, "features": nil, "keys": nil, "merge": nil, "transport": nil,
		"internal/durable": nil, "internal/mutation": nil, "internal/sqldb": nil,
		"access":              {"merge"},
		"schema":              {"access", "internal/sqldb"},
		"internal/headers":    {"batch", "features", "merge"},
		"enrol":               {"internal/durable", "keys"},
		"transport/bucket":    {"transport"},
		"transport/storetest": {"transport"},
		"transport/web":       {"transport"},
		"journal":             {"access", "features", "internal/sqldb", "merge", "schema"},
		"capture/trigger":     {"internal/sqldb", "journal", "schema"},
		"capture/rowkey":      {"internal/sqldb", "journal", "schema"},
		"capture":             {"access", "capture/rowkey", "capture/trigger", "internal/sqldb", "journal", "merge", "schema"},
		"export":              {"access", "batch", "capture", "capture/rowkey", "features", "internal/headers", "internal/sqldb", "journal", "merge", "schema"},
		"apply":               {"access", "batch", "internal/headers", "internal/sqldb", "journal", "merge", "schema"},
		// Here export and apply meet.
		"exchange": {"access", "apply", "batch", "capture", "export", "features", "internal/durable", "journal", "keys", "merge", "transport"},
	}
	// What only tests use, and the generator of test data.
	harness := []string{"internal/dbtest", "internal/netfault", "internal/openmrs", "internal/oldprogram", "internal/openmrs/gen", "internal/sites"}
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
