package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// aliasesVersion is the version of aliases.json that this program writes.
const aliasesVersion = 1

// aliasesRecord is aliases.json in the home folder, a copy of the aliases. A database that is put back from a backup loses those that were
// made since, and what they said is nowhere else: what was renamed since would be there twice, and what a person decided forgotten. It
// says at which of the database's epochs it was written: the database counts as long as it has that one.
type aliasesRecord struct {
	Version int                 `json:"omsync_aliases"`
	Epoch   uint64              `json:"epoch"`
	Token   uint64              `json:"token"`
	Aliases []journal.KeptAlias `json:"aliases"`
}

// OwnKeys returns, by table and a peer's key, the key of the row that is meant here where that is another, as the copy in a home folder has
// them: for who has no database at hand.
func OwnKeys(home string) (map[string]map[string]string, error) {
	r, err := readAliases(home)
	out := map[string]map[string]string{}
	for _, a := range r.Aliases {
		if out[a.Table] == nil {
			out[a.Table] = map[string]string{}
		}
		out[a.Table][a.Their] = a.Own
	}
	return out, err
}

// readAliases reads the copy; without one it is empty.
func readAliases(home string) (r aliasesRecord, err error) {
	b, err := os.ReadFile(filepath.Join(home, "aliases.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err == nil && r.Version != aliasesVersion {
		err = fmt.Errorf("it is of version %d", r.Version)
	}
	if err != nil {
		return aliasesRecord{}, fmt.Errorf("read aliases.json in the home folder: %w", err)
	}
	return r, nil
}

// keepAliases writes the copy, if it is not as the database is.
func (n *Node) keepAliases(ctx context.Context) error {
	at, err := journal.LastEpoch(ctx, n.Journal.DB)
	if err != nil {
		return err
	}
	kept, err := n.Journal.KeepAliases(ctx)
	if err != nil {
		return err
	}
	r := aliasesRecord{Version: aliasesVersion, Epoch: at.Epoch, Token: at.Token, Aliases: kept}
	path := filepath.Join(n.Home, "aliases.json")
	before, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && len(r.Aliases) == 0 {
		return nil
	}
	b, err := json.Marshal(r)
	if err != nil || bytes.Equal(b, before) {
		return err
	}
	return durable.Write(path, b, 0o600)
}

// learnAliases takes in, of the copy, what a restore of the database took. A copy that cannot be read is passed over, with a warning.
func (n *Node) learnAliases(ctx context.Context) error {
	r, err := readAliases(n.Home)
	if err != nil {
		n.Journal.Warn("%v: if this database was restored from a backup, what it called by other keys since is forgotten", err)
		return nil
	}
	var bad error
	_, history, err := journal.LoadHistory(ctx, n.Journal.DB, &bad)
	if err != nil {
		return err
	}
	if r.Epoch == 0 || history.Has(merge.Position{Epoch: r.Epoch, Token: r.Token}) || bad != nil {
		return bad
	}
	back, err := n.Journal.PutBackAliases(ctx, r.Aliases)
	if back > 0 {
		n.Journal.Warn("this database was restored from a backup: %d aliases that were made since are known again, by aliases.json in the home folder", back)
	}
	return err
}
