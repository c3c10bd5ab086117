package main

import (
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node/config"
)

// knownSettings are the settings of omsync.toml, with their defaults as the documents write them: none, or the value.
func knownSettings() map[string]string {
	out := map[string]string{}
	for _, s := range config.Settings() {
		if out[s.Name] = s.Default; s.Default == "" {
			out[s.Name] = "none"
		}
	}
	return out
}

// knownExitCodes are the program's exit codes, in rising order.
func knownExitCodes() []int {
	codes := []int{0}
	for _, c := range []failure.Code{failure.Error, failure.Conflicts, failure.Differs, failure.Gap, failure.Busy, failure.Trust, failure.Schema, failure.TooNew, failure.Interrupted} {
		codes = append(codes, int(c))
	}
	return codes
}
