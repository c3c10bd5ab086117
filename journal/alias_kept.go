package journal

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// A KeptAlias is an alias as it is kept beside the database.
type KeptAlias struct {
	Peer  merge.Peer  `json:"peer"`
	Table string      `json:"table"`
	Their string      `json:"their_key"`
	Own   string      `json:"own_key"`
	From  AliasSource `json:"source"`
	At    int64       `json:"made_at"` // µs since 1970 UTC
}

// KeepAliases returns all aliases; never nil.
func (j *Journal) KeepAliases(ctx context.Context) ([]KeptAlias, error) {
	names := map[uint16]string{}
	for _, t := range j.Tables {
		names[t.ID] = t.Name
	}
	out := []KeptAlias{}
	err := EachAlias(ctx, j.DB, func(a Alias) error {
		out = append(out, KeptAlias{a.Peer, names[a.Table], a.Their, a.Own, a.From, a.At})
		return nil
	})
	return out, err
}

// known is what the aliases of a database say of keys.
type known struct{ theirs, owns, anyTheir, anyOwn map[aliasKey]bool }

type aliasKey struct {
	peer  merge.Peer // nobody: any
	table uint16
	key   string
}

func (k *known) add(a Alias) {
	k.theirs[aliasKey{a.Peer, a.Table, a.Their}], k.owns[aliasKey{a.Peer, a.Table, a.Own}] = true, true
	k.anyTheir[aliasKey{0, a.Table, a.Their}], k.anyOwn[aliasKey{0, a.Table, a.Own}] = true, true
}

// contradicts reports whether an alias is there already, or what it says is said otherwise.
func (k *known) contradicts(a Alias) bool {
	return k.theirs[aliasKey{a.Peer, a.Table, a.Their}] || k.owns[aliasKey{a.Peer, a.Table, a.Own}] || k.anyOwn[aliasKey{0, a.Table, a.Their}] || k.anyTheir[aliasKey{0, a.Table, a.Own}]
}

// PutBackAliases stores those that the database lacks and that contradict nothing in it, and returns how many.
func (j *Journal) PutBackAliases(ctx context.Context, kept []KeptAlias) (int, error) {
	k := &known{map[aliasKey]bool{}, map[aliasKey]bool{}, map[aliasKey]bool{}, map[aliasKey]bool{}}
	if err := EachAlias(ctx, j.DB, func(a Alias) error { k.add(a); return nil }); err != nil {
		return 0, err
	}
	var lost []Alias
	for _, of := range kept {
		t, meta := j.Catalogue.Table(of.Table), j.Tables[of.Table]
		if t == nil || meta == nil || !HasAliases(t) {
			continue
		}
		a := Alias{Peer: of.Peer, Table: meta.ID, Their: of.Their, Own: of.Own, From: of.From, At: of.At}
		if k.contradicts(a) {
			continue
		}
		known, err := j.KnowsKey(ctx, t, a.Their)
		if err != nil {
			return 0, err
		}
		if !known {
			lost = append(lost, a)
			k.add(a)
		}
	}
	if len(lost) == 0 {
		return 0, nil
	}
	tx, err := j.DB.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	if err := PutAliases(ctx, tx, lost); err != nil {
		return 0, err
	}
	return len(lost), tx.Commit()
}

// KnowsKey reports whether a row here has this key, canonical, or had it and was deleted. The table is one that [HasAliases].
func (j *Journal) KnowsKey(ctx context.Context, t *schema.Table, key string) (found bool, err error) {
	dead, err := Tombstones(ctx, j.DB, j.Tables[t.Name].ID, []string{key}, j.Authors)
	if err != nil || len(dead) > 0 {
		return len(dead) > 0, err
	}
	_, found, err = j.RowOf(ctx, j.DB, t, key)
	return found, err
}

// RowOf returns the row here that has this key, canonical, and whether there is one. The table is one that [HasAliases].
func (j *Journal) RowOf(ctx context.Context, q sqldb.DB, t *schema.Table, key string) (row Row, found bool, err error) {
	parts, ok := SplitKey(key, len(t.KeyColumns))
	if !ok || slices.Contains(parts, nil) {
		return Row{}, false, nil
	}
	b := []byte("SELECT " + Identity(t, "") + " FROM " + schema.Quote(t.Name) + " WHERE ")
	for i, c := range t.KeyColumns {
		if i > 0 {
			b = append(b, " AND "...)
		}
		b = append(b, schema.Quote(c.Name)+" = "...)
		b = c.AppendLiteral(b, []byte(*parts[i]))
	}
	err = sqldb.Each(ctx, q, string(append(b, " LIMIT 1"...)), func(r []sql.RawBytes) error {
		row, found = Row{Int: sqldb.Int(r[0]), Key: string(r[1])}, true
		return nil
	})
	if err != nil {
		return Row{}, false, fmt.Errorf("look into %s: %w", t.Name, err)
	}
	return row, found, nil
}
