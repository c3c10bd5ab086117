package main

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// knownSettings are the settings of omsync.toml, with their defaults as the documents write them: none, or the value.
func knownSettings() map[string]string {
	out := map[string]string{}
	addSettings(out, "", reflect.TypeFor[config]())
	out["policy.TABLE"] = "newest"
	out["hooks.timeout"] = strings.TrimSuffix(time.Duration(hookTimeout).String(), "0s")
	out["serve.listen"] = defaultListen
	out["serve.max_file"] = "64GiB"
	out["serve.log_format"] = "text"
	return out
}

// addSettings adds the settings of a struct that TOML is read into: its fields' tags, after those of the sections they are in.
func addSettings(out map[string]string, section string, t reflect.Type) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("toml"), ",")
		if name == "" || name == "-" {
			continue
		}
		of := t.Field(i).Type
		if of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct {
			of = of.Elem()
		}
		switch of.Kind() {
		case reflect.Struct:
			addSettings(out, section+name+".", of)
		case reflect.Bool:
			out[section+name] = "false"
		case reflect.Map:
			out[section+name+".TABLE"] = "none"
		default:
			out[section+name] = "none"
		}
	}
}

// knownExitCodes are the program's exit codes, in rising order.
func knownExitCodes() []int {
	codes := []int{0, exitError, exitConflicts, exitGap, exitBusy, exitTrust, exitSchema, exitInterrupted}
	slices.Sort(codes)
	return codes
}

// underWay are claims of the documents about work that is under way. The tests pass over them, and say when they have come true: then
// they are to be taken off this list.
func underWay() []string {
	return []string{
		"format 2",     // docs/tables.md is about the tables that journal.Format 2 has
		"exit code 14", // a batch that needs a newer omsync
		"docs/http.md", "capture/rowkey", "capture/trigger", "capture/trigger/trigger.go", "export/export.go", "export/reader.go", "export/output.go",
		"exchange/push.go", "exchange/pull.go", "apply/importer.go", "apply/resolve.go", "apply/settle.go", "apply/link.go",
		"journal/import.go",
		"install the newer omsync that wrote them", "upgrading the omsync tables from format", "which an earlier omsync wrote: run omsync sync",
		"was not finished: run omsync sync", "batch is too new for this program", "runs an omsync that does not read",
	}
}
