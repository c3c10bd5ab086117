package upload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
)

// Marker remembers a file that was stored whole, and what became of it.
type Marker struct {
	ID      string `json:"id"` // of the upload
	Outcome string `json:"outcome"`
	Why     string `json:"why,omitempty"`
}

func markerName(node, name string) string {
	sum := sha256.Sum256([]byte(name))
	return node + "/done/" + hex.EncodeToString(sum[:16])
}

// Marker returns the marker of a name; nil: there is none.
func (s *Store) Marker(node, name string) *Marker {
	raw, err := s.root.ReadFile(markerName(node, name))
	var m Marker
	if err != nil || json.Unmarshal(raw, &m) != nil || m.ID == "" {
		return nil
	}
	return &m
}

// Mark sets the marker of a name.
func (s *Store) Mark(node, name string, m Marker) error { return s.save(markerName(node, name), m) }

// Forget removes the marker of a name, if there is one.
func (s *Store) Forget(node, name string) error {
	if err := s.root.Remove(markerName(node, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
