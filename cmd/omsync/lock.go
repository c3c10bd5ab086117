package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// errLocked means that another run changes the same node.
var errLocked = errors.New("another omsync run is at work on this node: wait for it to end")

// lock keeps other runs from changing the node until the file it answers is closed, or the process ends. The file stays.
func lock(home string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(home, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the home folder: %w", err)
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
