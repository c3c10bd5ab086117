package contacts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/internal/nodename"
)

// version is the one of the record that this program writes.
const version = 1

// fresh is how old a record may be that is not written anew for a contact alone.
const fresh = 2 * time.Minute

// maxRecord bounds what is read of a record, in bytes.
const maxRecord = 64 << 10

type content struct {
	Version int    `json:"omsync_contacts"`
	Link    uint64 `json:"link"` // number of the link to the peer: one that was added anew begins anew
	Contacts
}

func path(home, peer string) string { return filepath.Join(home, "contacts", peer+".json") }

// Read returns what is known of the peer of a name, whose link has a number. A record that is damaged, of another link or of a newer version
// counts for nothing.
func Read(home, peer string, link uint64) (Contacts, error) {
	var c content
	if ok, err := read(home, peer, &c); err != nil || !ok || !c.isOf(link) {
		return Contacts{}, err
	}
	return c.Contacts, nil
}

// ReadHabit is Read without the days: for many peers at once.
func ReadHabit(home, peer string, link uint64) (Contacts, error) {
	var c struct {
		content
		Days json.RawMessage `json:"days"`
	}
	if ok, err := read(home, peer, &c); err != nil || !ok || !c.isOf(link) {
		return Contacts{}, err
	}
	return c.Contacts, nil
}

// isOf reports whether a record is this program's, and of the link that there is now.
func (c *content) isOf(link uint64) bool { return c.Version == version && c.Link == link }

// read reads a record into what can hold it, and reports whether it can be read.
func read(home, peer string, into any) (ok bool, err error) {
	if nodename.Check(peer) != nil { // somebody wrote it into the database: it may be a path
		return false, nil
	}
	b, err := os.ReadFile(path(home, peer))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read when %s was heard: %w", peer, err)
	}
	return len(b) <= maxRecord && json.Unmarshal(b, into) == nil, nil
}

// Record notes that a file of the peer was read, as [Contacts.Hear] says. Two runs must not do that at once: the node's lock is for that.
func Record(home, peer string, link uint64, f File, now time.Time) error {
	if err := nodename.Check(peer); err != nil {
		return fmt.Errorf("write when a peer was heard: %w", err)
	}
	before, err := Read(home, peer, link)
	if err != nil {
		return err
	}
	after := before.Hear(f, now)
	same := !f.News && len(before.Gaps) == len(after.Gaps) && reflect.DeepEqual(before.Health, after.Health)
	if age := after.Last.Sub(before.Last); age >= 0 && age < fresh && same {
		return nil
	}
	b, err := json.Marshal(content{version, link, after})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path(home, peer)), 0o700); err != nil {
		return fmt.Errorf("write when %s was heard: %w", peer, err)
	}
	if err := durable.Write(path(home, peer), b, 0o600); err != nil {
		return fmt.Errorf("write when %s was heard: %w", peer, err)
	}
	return nil
}
