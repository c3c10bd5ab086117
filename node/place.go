package node

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

const (
	placeName    = "place.json"
	placeVersion = 1
	maxHistories = 1024 // the last ones are remembered
)

// place is what a home folder remembers of the database that it is used with, and of where both are: so two copies of a node are told from one
// that was put back. A backup of the home folder does not hold it. Nothing is known where it is missing or damaged.
type place struct {
	Version   int      `json:"version"`
	Histories []uint64 `json:"histories"` // that the node had itself, oldest first
	Home      string   `json:"home"`      // the folder's path
	Machine   string   `json:"machine"`   // its id; "": it has none
	Database  string   `json:"database"`
	Server    string   `json:"server"` // what tells it from others
}

func readPlace(home string) (p place, known bool) {
	text, err := os.ReadFile(filepath.Join(home, placeName))
	if err != nil || json.Unmarshal(text, &p) != nil || p.Version != placeVersion {
		return place{}, false
	}
	return p, true
}

// had reports whether the database that says self had one of the histories that the home folder remembers.
func (p place) had(self *journal.Node) bool {
	return slices.ContainsFunc(self.Own(), func(h uint64) bool { return slices.Contains(p.Histories, h) })
}

// here returns where the home folder and the database are now.
func (n *Node) here(ctx context.Context) (place, error) {
	p := place{Version: placeVersion, Machine: machineID(), Database: n.Database}
	var err error
	if p.Home, err = filepath.Abs(n.Home); err == nil {
		p.Home, err = filepath.EvalSymlinks(p.Home)
	}
	if err != nil {
		return place{}, fmt.Errorf("find the home folder: %w", err)
	}
	said := map[string]string{}
	err = sqldb.Each(ctx, n.DB, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid', 'hostname', 'datadir')", func(r []sql.RawBytes) error {
		said[strings.ToLower(string(r[0]))] = string(r[1])
		return nil
	})
	if err != nil {
		return place{}, fmt.Errorf("ask which server this is: %w", err)
	}
	if p.Server = said["server_uuid"]; p.Server == "" { // MariaDB
		p.Server = said["hostname"] + ":" + said["datadir"]
	}
	return p, nil
}

// machineID returns what tells this machine from others; "" where there is no such thing, as in most containers.
func machineID() string {
	for _, name := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if text, err := os.ReadFile(name); err == nil {
			if id := strings.TrimSpace(string(text)); len(id) == 32 {
				return id
			}
		}
	}
	return ""
}

// selfAndPlace returns what the database says of the node, and where the two are now.
func (n *Node) selfAndPlace(ctx context.Context) (*journal.Node, place, error) {
	self, err := journal.LoadNode(ctx, n.DB)
	if err != nil {
		return nil, place{}, err
	}
	now, err := n.here(ctx)
	return self, now, err
}

// CheckPlace returns an error if the home folder and the database are not those that were last used together, or may be a copy of them, and
// remembers where they are.
func (n *Node) CheckPlace(ctx context.Context) error {
	self, now, err := n.selfAndPlace(ctx)
	if err != nil {
		return err
	}
	was, known := readPlace(n.Home)
	signs := merge.PlaceSigns{Known: known,
		Same:          was.had(self),
		HomeMoved:     now.Home != was.Home || now.Machine != was.Machine && now.Machine != "" && was.Machine != "",
		DatabaseMoved: now.Database != was.Database || now.Server != was.Server}
	hint := "if this one is the node %s from now on, and no other: omsync --home %s home adopt; if it is a copy: omsync uninstall --dsn DSN"
	switch signs.Verdict() {
	case merge.AnotherDatabase:
		return failure.Hinted(fmt.Errorf("the database %s was never that of this home folder, which was used with %s", now.Database, was.Database), "is the dsn right? "+hint, n.Node, n.Home)
	case merge.BothMoved:
		return failure.Hinted(fmt.Errorf("home folder and database were both moved or copied: they were %s and the database %s of another server or name, and are %s and %s", was.Home, was.Database, now.Home, now.Database),
			hint, n.Node, n.Home)
	}
	return n.rememberPlace(self, now, was)
}

// rememberPlace notes where the node is, and which histories it had.
func (n *Node) rememberPlace(self *journal.Node, now, was place) error {
	now.Histories = slices.Clone(was.Histories)
	for _, h := range slices.Backward(self.Own()) {
		if !slices.Contains(now.Histories, h) {
			now.Histories = append(now.Histories, h)
		}
	}
	now.Histories = now.Histories[max(0, len(now.Histories)-maxHistories):]
	if n.Journal != nil {
		n.Journal.Had = map[uint64]bool{}
		for _, h := range now.Histories {
			n.Journal.Had[h] = true
		}
	}
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	path := filepath.Join(n.Home, placeName)
	if old, err := os.ReadFile(path); err == nil && string(old) == string(text) {
		return nil
	}
	if err := durable.Write(path, text, 0o600); err != nil {
		return fmt.Errorf("note where the node is: %w", err)
	}
	return nil
}

// Adopt says that this home folder and this database are the node from now on, wherever they were. What the home folder remembers of histories
// stays, unless the database is another node's: it may be put back from a backup. The lock must be held, and the database connected.
func (n *Node) Adopt(ctx context.Context) error {
	if err := n.CheckOwner(ctx); err != nil {
		return err
	}
	self, now, err := n.selfAndPlace(ctx)
	if err != nil {
		return err
	}
	was, _ := readPlace(n.Home)
	if !was.had(self) {
		was = place{}
	}
	return n.rememberPlace(self, now, was)
}
