package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/omsync/omsync/internal/tomlfile"
)

// Hooks is [hooks]: what is done after an import that changed rows.
type Hooks struct {
	AfterImport []string `toml:"after_import"` // a program and its arguments; no shell reads it
	Timeout     string   `toml:"timeout"`
	Reindex     bool     `toml:"reindex"` // empties the setting that the profile's [reindex] names: see apply.Options
}

// DefaultHookTimeout is how long a hook may take if nobody says otherwise.
const DefaultHookTimeout = 5 * time.Minute

// Limit returns how long a hook may take.
func (h *Hooks) Limit() time.Duration {
	if d, err := time.ParseDuration(h.Timeout); err == nil && d > 0 {
		return d
	}
	return DefaultHookTimeout
}

// commandForm says how a hook's command is written.
const commandForm = `write a list of the program and its arguments, as in ["/etc/omsync/after-import"]`

var hookKey = tomlfile.Key{"hooks", "after_import"}

// hookForm says how a command is written to who wrote it otherwise.
func hookForm(err error) error {
	var e *tomlfile.Error
	if errors.As(err, &e) && e.Key.String() == hookKey.String() {
		return &tomlfile.Error{Line: e.Line, Key: e.Key, Message: commandForm}
	}
	return err
}

// check returns an error for a hook that is no command, or has no time.
func (h *Hooks) check(f *tomlfile.File) error {
	timeout := tomlfile.Key{"hooks", "timeout"}
	if f.Has(timeout) {
		if d, err := time.ParseDuration(h.Timeout); err != nil || d <= 0 {
			return &tomlfile.Error{Line: f.Line(timeout), Key: timeout,
				Message: fmt.Sprintf(`%q is no time that a hook may take: write it as "90s" or "5m"`, h.Timeout)}
		}
	}
	if f.Has(hookKey) && (len(h.AfterImport) == 0 || h.AfterImport[0] == "") {
		return &tomlfile.Error{Line: f.Line(hookKey), Key: hookKey, Message: "a hook without a program: " + commandForm + ", or take the line out"}
	}
	return nil
}
