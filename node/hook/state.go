package hook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/internal/failure"
)

// message is what a hook reads on its standard input. Its form is documented for those who write hooks.
type message struct {
	Node     string    `json:"node"`
	Database string    `json:"database"`
	Peers    []string  `json:"peers"` // whose files were applied, sorted
	Tables   []Table   `json:"tables"`
	Files    []string  `json:"files"` // in the order of their import, the latest maxFiles
	Since    time.Time `json:"since"` // when the first of these changes was noted: some seconds after its import
}

// maxFiles bounds what a hook that fails for months leaves behind.
const maxFiles = 1000

// stateVersion is the form of what is kept in the home folder. Version 0, without the number, is the message alone.
const stateVersion = 1

// state is what is kept until the hook has ended with 0.
type state struct {
	Version int `json:"version"`
	message
}

func (h *Hook) stateFile() string { return filepath.Join(h.Home, "hook.json") }

// pending reads what earlier runs left. Of a file that cannot be understood nothing is known but that something was left.
func (h *Hook) pending(out io.Writer) (*message, error) {
	b, err := os.ReadFile(h.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return &message{}, nil
	} else if err != nil {
		return nil, fmt.Errorf("read what is left for the hook: %w", err)
	}
	m, err := readState(b)
	switch {
	case errors.Is(err, errUnknownForm):
		return nil, failure.Hinted(fmt.Errorf("read what is left for the hook: %s: %w", h.stateFile(), err),
			"install the omsync that was here last, or remove the file: then the hook is not told what it holds")
	case err != nil:
		fmt.Fprintf(out, "omsync: warning: %s is damaged: the hook is not told what earlier runs left for it\n", h.stateFile())
		if err := os.Remove(h.stateFile()); err != nil {
			return nil, fmt.Errorf("remove what is left for the hook: %w", err)
		}
		return &message{}, nil
	}
	return m, nil
}

// errUnknownForm means that another omsync has written the state, a later one. It is not thrown away.
var errUnknownForm = errors.New("it was written by another omsync")

// readState reads any version that there was.
func readState(b []byte) (*message, error) {
	var tag struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &tag); err != nil {
		return nil, err
	}
	if tag.Version > stateVersion {
		return nil, fmt.Errorf("%w, in version %d of its form", errUnknownForm, tag.Version)
	}
	var s state
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil { // what is no JSON was found above
		return nil, fmt.Errorf("%w: %w", errUnknownForm, err)
	}
	return &s.message, nil
}

// keep writes what the hook is to be told, so that it outlasts a loss of power.
func (h *Hook) keep(m *message) error {
	b, err := json.Marshal(state{stateVersion, *m})
	if err != nil {
		return fmt.Errorf("keep what the hook is to be told: %w", err)
	}
	if err := durable.Write(h.stateFile(), append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep what the hook is to be told: %w", err)
	}
	return nil
}
