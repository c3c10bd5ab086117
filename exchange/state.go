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

// stateVersion is the version of links.json that this program writes. Files of before have none, and the same form.
const stateVersion = 1

// State is what a node remembers of its links, in links.json of its home folder. Without it files are sent once more, which
// does no harm. So a file that is damaged or of a newer version is passed over, and the state begins anew; fields of one's own
// version that are not known here are left out.
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

// stateRecord is the file.
type stateRecord struct {
	Version int `json:"omsync_links"`
	State
}

// ReadState reads what is known of the links. Of a home folder without it the state is empty.
func ReadState(home string) (*State, error) {
	path := filepath.Join(home, "links.json")
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the state of the links: %w", err)
	}
	r := stateRecord{State: emptyState()}
	if err == nil && (json.Unmarshal(b, &r) != nil || r.Version > stateVersion || r.Links == nil || r.Sent == nil) {
		r.State = emptyState()
	}
	r.path = path
	return &r.State, nil
}

func emptyState() State {
	return State{Links: map[string]*LinkState{}, Sent: map[string]map[string][]string{}}
}

func (s *State) save() error {
	b, err := json.MarshalIndent(stateRecord{stateVersion, *s}, "", "\t")
	if err != nil {
		return err
	}
	if err := durable.Write(s.path, b, 0o600); err != nil {
		return fmt.Errorf("write the state of the links: %w", err)
	}
	return nil
}

// link returns the state of one link, to be changed.
func (s *State) link(name string) *LinkState {
	l := s.Links[name]
	if l == nil {
		l = &LinkState{}
		s.Links[name] = l
	}
	return l
}

// recordLink notes that a link works (err is nil), or why it does not.
func (s *State) recordLink(name string, now time.Time, err error) *LinkState {
	l := s.link(name)
	now = now.UTC().Truncate(time.Second)
	if err == nil {
		l.Up, l.Down, l.Error = now, time.Time{}, ""
		return l
	}
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
	return l
}

// recordSent notes that a file went over a link.
func (s *State) recordSent(peer, file, link string) {
	if s.Sent[peer] == nil {
		s.Sent[peer] = map[string][]string{}
	}
	s.Sent[peer][file] = append(s.Sent[peer][file], link)
}

// forgetAllBut forgets the files of a peer that are no longer in its outbox, which holds these.
func (s *State) forgetAllBut(peer string, files []mailFile) {
	waiting := map[string]bool{}
	for _, f := range files {
		waiting[f.Name] = true
	}
	for name := range s.Sent[peer] {
		if !waiting[name] {
			delete(s.Sent[peer], name)
		}
	}
}
