package harmonise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/match"
)

// storedFormat is the number of the form of the files in the home folder.
const storedFormat = 1

// folder is where a node keeps what it knows for matching, in its home folder.
const folder = "match"

// There is what a peer holds, as its last files for matching said it.
type There struct {
	Format  int         `json:"format"`
	Peer    string      `json:"peer"`
	Link    uint64      `json:"link,string"`    // of the peer here: one that was added anew is another
	History uint64      `json:"history,string"` // of the peer
	Epoch   uint64      `json:"epoch"`          // of the peer, up to which it was read
	Time    int64       `json:"time"`           // when the file was made: microseconds since 1970 UTC
	Side    *match.Side `json:"side"`
}

// Decided is what people decided about rows here and at a peer.
type Decided struct {
	Format    int              `json:"format"`
	Peer      string           `json:"peer"`
	Link      uint64           `json:"link,string"`
	Decisions []match.Decision `json:"decisions"`
}

// SaveThere keeps what a peer holds.
func SaveThere(home string, t *There) error {
	t.Format = storedFormat
	return save(home, t.Peer, "there", t)
}

// LoadThere returns what a peer holds, as it was kept; nil if nothing is, or of another link.
func LoadThere(home, peer string, link uint64) (*There, error) {
	t := &There{}
	ok, err := load(home, peer, "there", t)
	if err != nil || !ok || t.Link != link || t.Side == nil {
		return nil, err
	}
	if t.Format != storedFormat { // made again by the next match
		return nil, nil
	}
	return t, nil
}

// SaveDecisions keeps what people decided.
func SaveDecisions(home string, d *Decided) error {
	d.Format = storedFormat
	return save(home, d.Peer, "decisions", d)
}

// LoadDecisions returns what people decided; nothing if it was about a peer that was removed and added anew.
func LoadDecisions(home, peer string, link uint64) ([]match.Decision, error) {
	d := &Decided{}
	ok, err := load(home, peer, "decisions", d)
	switch {
	case err != nil || !ok || d.Link != link:
		return nil, err
	case d.Format != storedFormat:
		return nil, fmt.Errorf("the decisions about %s were kept by a newer omsync (form %d): install that", peer, d.Format)
	}
	return d.Decisions, nil
}

// Forget removes what is kept of a peer.
func Forget(home, peer string) error {
	if keys.ValidName(peer) != nil { // of which nothing ever was
		return nil
	}
	var err error
	for _, what := range []string{"there", "decisions"} {
		name, e := path(home, peer, what)
		if e == nil {
			e = os.Remove(name)
		}
		if e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

func path(home, peer, what string) (string, error) {
	if err := keys.ValidName(peer); err != nil {
		return "", err
	}
	return filepath.Join(home, folder, peer+"."+what+".json"), nil
}

func save(home, peer, what string, v any) error {
	name, err := path(home, peer, what)
	if err != nil {
		return err
	}
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Dir(name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.Write(name, content, 0o600)
}

func load(home, peer, what string, v any) (bool, error) {
	name, err := path(home, peer, what)
	if err != nil {
		return false, err
	}
	content, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	if err := json.Unmarshal(content, v); err != nil {
		return false, fmt.Errorf("read %s: %w: it is damaged; remove it, and run omsync match again", name, err)
	}
	return true, nil
}
