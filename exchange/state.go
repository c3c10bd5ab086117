package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/transport"
)

// State is what a node remembers of its links, in links.json of its home folder. Without it files are sent once more, which
// does no harm.
type State struct {
	Links map[string]*LinkState `json:"links,omitempty"` // by the link's address
	// Sent is, for each peer and file of its outbox, the links over which it went.
	Sent map[string]map[string][]string `json:"sent,omitempty"`

	path string
}

// LinkState is when a link was last there. Times are UTC; zero: never.
type LinkState struct {
	Up    time.Time `json:"up,omitzero"`    // the last run that used it
	Down  time.Time `json:"down,omitzero"`  // the first run since then that found it down; zero: it is up
	Error string    `json:"error,omitzero"` // what that run, or the last one, found
	// Refused is why the peer would not apply the last file that it was sent; "" if it did, or has not said.
	Refused string `json:"refused,omitzero"`
}

// ReadState reads what is known of the links.
func ReadState(home string) (*State, error) {
	s := &State{Links: map[string]*LinkState{}, Sent: map[string]map[string][]string{}, path: filepath.Join(home, "links.json")}
	b, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the state of the links: %w", err)
	}
	if err := json.Unmarshal(b, s); err != nil || s.Links == nil || s.Sent == nil { // damaged: begin anew
		return &State{Links: map[string]*LinkState{}, Sent: map[string]map[string][]string{}, path: s.path}, nil
	}
	return s, nil
}

func (s *State) save() error {
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	if err := durable.Write(s.path, b, 0o600); err != nil {
		return fmt.Errorf("write the state of the links: %w", err)
	}
	return nil
}

// link is the state of one link.
func (s *State) link(name string) *LinkState {
	l := s.Links[name]
	if l == nil {
		l = &LinkState{}
		s.Links[name] = l
	}
	return l
}

// up notes that a link works, or why not.
func (s *State) up(name string, now time.Time, err error) *LinkState {
	l := s.link(name)
	now = now.UTC().Truncate(time.Second)
	switch {
	case err == nil:
		l.Up, l.Down, l.Error = now, time.Time{}, ""
	default:
		if l.Down.IsZero() {
			l.Down = now
		}
		l.Error = err.Error()
		if errors.Is(err, transport.ErrDown) { // which link it is and that it is down is said beside it
			if _, why, ok := strings.Cut(l.Error, " "+name+": "); ok && strings.Contains(name, "://") {
				l.Error = why
			}
			l.Error = strings.Replace(l.Error, transport.ErrDown.Error()+": ", "", 1)
		}
	}
	return l
}

// sent notes that a file went over a link.
func (s *State) sent(peer, file, link string) {
	if s.Sent[peer] == nil {
		s.Sent[peer] = map[string][]string{}
	}
	s.Sent[peer][file] = append(s.Sent[peer][file], link)
}

// keep forgets the files of a peer that are no longer in its outbox.
func (s *State) keep(peer string, files []waiting) {
	there := map[string]bool{}
	for _, f := range files {
		there[f.Name] = true
	}
	for name := range s.Sent[peer] {
		if !there[name] {
			delete(s.Sent[peer], name)
		}
	}
}
