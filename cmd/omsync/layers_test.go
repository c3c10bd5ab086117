package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestLayers holds the packages to their layers: what has no database in it imports nothing of the project, and capture and
// apply meet only in the commands.
func TestLayers(t *testing.T) {
	const module = "github.com/omsync/omsync/"
	may := map[string][]string{
		"batch": nil, "keys": nil, "merge": nil, "schema": nil, "transport": nil,
		"internal/durable":    nil,
		"enrol":               {"internal/durable", "keys"},
		"transport/bucket":    {"transport"},
		"transport/storetest": {"transport"},
		"transport/web":       {"transport"},
		"journal":             {"merge", "schema"},
		"capture":             {"batch", "journal", "merge", "schema"},
		"apply":               {"batch", "journal", "merge", "schema"},
		// Here capture and apply meet.
		"exchange": {"apply", "batch", "capture", "internal/durable", "journal", "keys", "merge", "transport"},
	}
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}:{{join .Imports \" \"}}", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		name, imports, _ := strings.Cut(line, ":")
		name = strings.TrimPrefix(name, module)
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
