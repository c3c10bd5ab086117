package layers

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/omsync/omsync/"

// may says which packages of the project a package imports; each stands below those that name it. What apply and export have in
// common stands below both, and they meet in exchange. Only a command sees all.
var may = map[string][]string{
	// Formats, rules and means.
	"batch": nil, "digest": nil, "features": nil, "match": nil, "merge": nil, "pace": nil, "progress": nil,
	"internal/disk": nil, "internal/durable": nil, "internal/failure": nil, "internal/layers": nil, "internal/mutation": nil, "internal/nodename": nil, "internal/remote": nil,
	"internal/sqldb": nil, "internal/tomlfile": nil,
	"access": {"merge"}, "apply/reserve": nil,
	"export/share": {"merge"},
	"words":        {"progress"},
	"scope":        {"merge"},

	"undo/rules":       {"merge"},
	"match/sheet":      {"match"},
	"conflicts/rules":  {"merge"},
	"keys":             {"internal/durable", "internal/nodename"},
	"keys/rotation":    nil,
	"internal/headers": {"batch", "features", "merge"},
	// The ways, and how nodes join.
	"transport":           {"internal/durable", "internal/nodename"},
	"transport/bucket":    {"transport"},
	"transport/storetest": {"transport"},

	"transport/web":         nil,
	"transport/web/httpsig": nil,
	"transport/web/tlspin":  {"internal/durable"},
	"transport/web/upload":  {"internal/durable"},
	"transport/web/client":  {"transport", "transport/web", "transport/web/httpsig", "transport/web/tlspin"},
	"transport/web/server": {"internal/durable", "internal/nodename", "internal/remote", "transport", "transport/web", "transport/web/httpsig",
		"transport/web/upload"},

	"enrol": {"access", "internal/durable", "keys"},
	// The database.
	"schema":         {"access", "internal/sqldb", "internal/tomlfile"},
	"journal":        {"access", "features", "internal/nodename", "internal/sqldb", "merge", "schema"},
	"owners":         {"internal/sqldb", "journal", "schema"},
	"node/preflight": {"internal/failure", "internal/sqldb", "schema"},
	// Out of the database and into it.
	"capture/trigger": {"internal/sqldb", "journal", "schema"},
	"capture/rowkey":  {"internal/sqldb", "journal", "schema"},
	"scopes":          {"access", "capture/rowkey", "internal/sqldb", "journal", "merge", "owners", "schema", "scope"},
	"scopes/purge":    {"access", "capture/rowkey", "internal/sqldb", "journal", "merge", "owners", "schema", "scope", "scopes"},
	"capture":         {"access", "capture/rowkey", "capture/trigger", "internal/sqldb", "journal", "merge", "schema", "scope", "scopes"},
	"export": {"access", "batch", "capture", "capture/rowkey", "digest", "export/share", "features", "internal/headers", "internal/sqldb", "journal", "merge",
		"owners", "schema", "scope", "scopes"},
	"apply":     {"access", "apply/reserve", "batch", "capture/rowkey", "internal/headers", "internal/sqldb", "journal", "match", "merge", "schema", "scope", "scopes"},
	"verify":    {"access", "capture/rowkey", "digest", "export", "internal/sqldb", "journal", "merge", "schema", "undo"},
	"undo":      {"capture/rowkey", "internal/sqldb", "journal", "merge", "schema", "undo/rules"},
	"conflicts": {"access", "capture/rowkey", "conflicts/rules", "internal/sqldb", "journal", "merge", "schema", "undo"},
	"harmonise": {"access", "batch", "internal/durable", "internal/sqldb", "journal", "keys", "match", "merge", "schema"},
	// Here export and apply meet.
	"exchange/attempts": {"internal/durable"},
	"exchange/cards":    {"internal/durable", "internal/nodename", "keys", "keys/rotation"},
	"exchange/contacts": {"batch", "internal/durable", "internal/nodename"},
	"exchange":          {"access", "apply", "apply/reserve", "batch", "capture", "digest", "exchange/attempts", "exchange/cards", "exchange/contacts", "export", "features", "harmonise", "internal/durable", "internal/sqldb", "journal", "keys", "keys/rotation", "match", "merge", "scope", "scopes/purge", "transport"},
	// A node, and what a command asks of it.
	"node/config":   {"access", "internal/durable", "internal/failure", "internal/tomlfile", "keys", "merge", "schema", "scope"},
	"node/hook":     {"apply", "internal/durable", "internal/failure"},
	"node/compared": {"batch", "conflicts", "digest", "exchange", "export", "internal/durable", "internal/nodename", "journal", "merge", "verify"},
	"node": {"access", "capture", "capture/rowkey", "node/compared", "node/config", "enrol", "exchange", "exchange/cards", "export", "features", "node/hook", "internal/durable", "internal/failure", "internal/sqldb", "journal", "keys", "merge",
		"node/preflight", "pace", "schema", "scopes", "verify"},
	"node/backup":     {"internal/durable", "internal/failure", "keys", "node/config"},
	"node/clinic/ddl": nil, "node/clinic/rules": {"schema"},
	"node/clinic":        {"internal/failure", "internal/sqldb", "node/clinic/ddl", "node/clinic/rules", "schema"},
	"node/tables":        {"access", "features", "internal/failure", "internal/sqldb", "journal", "node", "schema"},
	"node/uuids":         {"access", "capture/rowkey", "internal/durable", "internal/sqldb", "journal", "merge", "schema"},
	"node/health":        {"batch", "conflicts", "exchange", "internal/disk", "internal/sqldb", "journal", "node", "node/backup", "schema"},
	"node/doctor":        {"access", "capture", "capture/rowkey", "capture/trigger", "conflicts", "exchange", "node/backup", "internal/disk", "internal/failure", "internal/sqldb", "journal", "keys", "merge", "node", "node/preflight", "node/uuids", "schema"},
	"node/scoping":       {"access", "capture", "capture/rowkey", "features", "internal/failure", "internal/sqldb", "journal", "merge", "node", "owners", "schema", "scope", "scopes", "scopes/purge"},
	"node/status":        {"access", "batch", "conflicts", "exchange", "exchange/attempts", "exchange/cards", "exchange/contacts", "features", "internal/failure", "journal", "keys", "merge", "node", "progress", "words"},
	"node/page/accounts": {"internal/durable"},
	"node/page":          {"access", "conflicts", "enrol", "exchange/contacts", "features", "harmonise", "internal/failure", "internal/nodename", "internal/remote", "journal", "match", "match/sheet", "merge", "node", "node/compared", "node/links", "node/page/accounts", "node/scoping", "node/status", "node/tables", "progress", "words"},
	"node/selfcheck":     {"batch", "features", "internal/failure", "journal", "node", "transport"},
	"node/agent":         {"node", "node/config", "node/links", "pace", "transport/web"},
	"node/links": {"access", "apply", "node/config", "exchange", "internal/disk", "internal/failure", "journal", "node", "transport", "transport/bucket", "transport/web",
		"transport/web/client"},
	"node/hub": {"access", "apply", "batch", "node/config", "enrol", "exchange", "exchange/attempts", "exchange/cards", "export", "features", "node/status", "node/hook", "internal/failure", "journal", "keys", "node", "node/scoping", "pace", "transport",
		"transport/web", "transport/web/server", "transport/web/tlspin"},
}

// harness is what only tests use, and the generator of test data.
var harness = []string{"internal/anyschema", "internal/dbtest", "internal/forge", "internal/netfault", "internal/nodetest", "internal/oldprogram", "internal/openmrs",
	"internal/openmrs/gen", "internal/sites", "transport/web/webtest"}

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
