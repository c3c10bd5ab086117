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
	"github.com/omsync/omsync/schema"
)

// aliasesVersion is the version of aliases.json that this program writes.
const aliasesVersion = 1

// aliasesRecord is aliases.json in the home folder, a copy of the aliases. A database that is put back from a backup loses those that were
// made since, and what they said is nowhere else: what was renamed since would be there twice, and what a person decided forgotten. It
// says at which of the database's epochs it was written: the database counts as long as it has that one.
type aliasesRecord struct {
	Version int           `json:"omsync_aliases"`
	Epoch   uint64        `json:"epoch"`
	Token   uint64        `json:"token"`
	Aliases []aliasRecord `json:"aliases"`
}

type aliasRecord struct {
	Peer   merge.Peer          `json:"peer"`
	Table  string              `json:"table"`
	Their  string              `json:"their_key"`
	Own    string              `json:"own_key"`
	Source journal.AliasSource `json:"source"`
	At     int64               `json:"made_at"` // µs since 1970 UTC
}

// keepAliases writes the copy, if it is not as the database is.
func (n *Node) keepAliases(ctx context.Context) error {
	at, err := journal.LastEpoch(ctx, n.Journal.DB)
	if err != nil {
		return err
	}
	names := map[uint16]string{}
	for _, t := range n.Journal.Tables {
		names[t.ID] = t.Name
	}
	r := aliasesRecord{Version: aliasesVersion, Epoch: at.Epoch, Token: at.Token, Aliases: []aliasRecord{}}
	err = journal.EachAlias(ctx, n.Journal.DB, func(a journal.Alias) error {
		r.Aliases = append(r.Aliases, aliasRecord{a.Peer, names[a.Table], a.Their, a.Own, a.From, a.At})
		return nil
	})
	if err != nil {
		return err
	}
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
	b, err := os.ReadFile(filepath.Join(n.Home, "aliases.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var r aliasesRecord
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err == nil && r.Version != aliasesVersion {
		err = fmt.Errorf("it is of version %d", r.Version)
	}
	if err != nil {
		n.Journal.Warn("aliases.json in the home folder cannot be read (%v): if this database was restored from a backup, what it called by other keys since is forgotten", err)
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
	return n.putBack(ctx, r.Aliases)
}

// putBack stores aliases that the database lacks and that contradict nothing in it.
func (n *Node) putBack(ctx context.Context, kept []aliasRecord) error {
	type pair struct {
		peer  merge.Peer
		table uint16
		key   string
	}
	theirs, owns, anyOwn, anyTheir := map[pair]bool{}, map[pair]bool{}, map[pair]bool{}, map[pair]bool{}
	note := func(a journal.Alias) {
		theirs[pair{a.Peer, a.Table, a.Their}], owns[pair{a.Peer, a.Table, a.Own}] = true, true
		anyTheir[pair{0, a.Table, a.Their}], anyOwn[pair{0, a.Table, a.Own}] = true, true
	}
	if err := journal.EachAlias(ctx, n.Journal.DB, func(a journal.Alias) error { note(a); return nil }); err != nil {
		return err
	}
	var lost []journal.Alias
	for _, k := range kept {
		t, meta := n.Journal.Catalogue.Table(k.Table), n.Journal.Tables[k.Table]
		if t == nil || meta == nil || !journal.HasAliases(t) {
			continue
		}
		a := journal.Alias{Peer: k.Peer, Table: meta.ID, Their: k.Their, Own: k.Own, From: k.Source, At: k.At}
		if theirs[pair{a.Peer, a.Table, a.Their}] || owns[pair{a.Peer, a.Table, a.Own}] || anyOwn[pair{0, a.Table, a.Their}] || anyTheir[pair{0, a.Table, a.Own}] {
			continue
		}
		known, err := n.knows(ctx, t, meta, k.Their)
		if err != nil {
			return err
		}
		if !known {
			lost = append(lost, a)
			note(a)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	n.Journal.Warn("this database was restored from a backup: %d aliases that were made since are known again, by aliases.json in the home folder", len(lost))
	tx, err := n.Journal.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := journal.PutAliases(ctx, tx, lost); err != nil {
		return err
	}
	return tx.Commit()
}

// knows reports whether a key is that of a row here, or of one that was deleted.
func (n *Node) knows(ctx context.Context, t *schema.Table, meta *journal.Table, key string) (bool, error) {
	dead, err := journal.Tombstones(ctx, n.Journal.DB, meta.ID, []string{key}, n.Journal.Authors)
	if err != nil || len(dead) > 0 {
		return len(dead) > 0, err
	}
	return journal.HasRow(ctx, n.Journal.DB, t, key)
}

