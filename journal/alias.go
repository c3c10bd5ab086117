package journal

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// An Alias says that a peer's row and one here, which were made apart, are one thing under two keys. What comes from the peer with its key is
// the row here, and what goes to it goes under its key. Keys are canonical.
type Alias struct {
	Peer  merge.Peer
	Table uint16 // omsync_table.id of a table that [HasAliases]
	Their string // its key
	Own   string // the key here
	From  AliasSource
	At    int64 // µs since 1970 UTC: when it was made
}

// AliasSource says how an alias came about.
type AliasSource string

// The sources.
const (
	AliasCertain AliasSource = "certain" // the natural keys left no doubt
	AliasDecided AliasSource = "decided" // a person said so
	AliasCarried AliasSource = "carried" // there was one with another peer for the same key
)

// HasAliases reports whether rows of a table may have aliases: their keys are their own. What is identified by a row that it belongs to has
// that row's, and a key that is made of other rows' keys follows theirs.
func HasAliases(t *schema.Table) bool {
	if t.Root != t || t.Key == schema.KeyAll || t.Key == schema.KeyNone || len(t.KeyColumns) == 0 {
		return false
	}
	for _, c := range t.KeyColumns {
		if c.Ref != nil {
			return false
		}
	}
	return true
}

// Recognises reports whether rows of a table are recognised by themselves: the profile gives it a natural key that is certain.
func (j *Journal) Recognises(t *schema.Table) bool {
	return HasAliases(t) && slices.ContainsFunc(j.Profile.NaturalKeys(j.Catalogue, t), func(k *schema.NaturalKey) bool { return k.Certain && k.Of == t })
}

// MaxAliasKey is how many bytes a key with an alias has at most.
const MaxAliasKey = longest

// Aliases are those of a node, for the exchange with one peer.
type Aliases struct {
	own    map[uint16]map[string]string // by table and a peer's key: this peer's before any other's
	theirs map[uint16]map[string]string // by table and own key: of this peer
	mine   map[uint16]map[string]bool   // by table and the peer's key: of this peer
	owns   map[uint16]map[string]bool   // by table and own key: of any peer
}

// LoadAliases returns the aliases as they count for the exchange with a peer.
func LoadAliases(ctx context.Context, q sqldb.DB, peer merge.Peer) (*Aliases, error) {
	a := &Aliases{own: map[uint16]map[string]string{}, theirs: map[uint16]map[string]string{}, mine: map[uint16]map[string]bool{}, owns: map[uint16]map[string]bool{}}
	err := sqldb.Each(ctx, q, fmt.Sprintf("SELECT table_id, their_key, own_key, peer_id = %d FROM omsync_alias WHERE peer_id <> %d ORDER BY peer_id = %[1]d, peer_id", peer, returnedRow), func(r []sql.RawBytes) error {
		a.add(Alias{Table: uint16(sqldb.Uint(r[0])), Their: string(r[1]), Own: string(r[2])}, sqldb.Uint(r[3]) != 0)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read omsync_alias: %w", err)
	}
	return a, nil
}

// Add takes in an alias that was made for the peer.
func (a *Aliases) Add(n Alias) { a.add(n, true) }

// Met takes in, for the rest of this import, that the peer has a row under its key here.
func (a *Aliases) Met(table uint16, key string) { a.theirs[table][key] = key }

func (a *Aliases) add(n Alias, mine bool) {
	if a.own[n.Table] == nil {
		a.own[n.Table], a.theirs[n.Table], a.mine[n.Table], a.owns[n.Table] = map[string]string{}, map[string]string{}, map[string]bool{}, map[string]bool{}
	}
	a.own[n.Table][n.Their], a.owns[n.Table][n.Own] = n.Own, true
	if mine {
		a.theirs[n.Table][n.Own], a.mine[n.Table][n.Their] = n.Their, true
	}
}

// Any reports whether a table has aliases, with any peer.
func (a *Aliases) Any(table uint16) bool { return a != nil && len(a.own[table]) > 0 }

// None reports whether there are no aliases, with any peer.
func (a *Aliases) None() bool { return a == nil || len(a.own) == 0 }

// Theirs hands on the keys in a table that the peer has for rows here.
func (a *Aliases) Theirs(table uint16, f func(key string)) {
	if a != nil {
		for key := range a.mine[table] {
			f(key)
		}
	}
}

// Own returns the key here of the row that a peer's key means, and whether that is an alias.
func (a *Aliases) Own(table uint16, their string) (string, bool) {
	if a == nil {
		return "", false
	}
	own, ok := a.own[table][their]
	return own, ok
}

// Their returns the peer's key of a row here, and whether that is an alias.
func (a *Aliases) Their(table uint16, own string) (string, bool) {
	if a == nil {
		return "", false
	}
	their, ok := a.theirs[table][own]
	return their, ok
}

// IsOwn reports whether a key is that of a row here which some peer has another key for, also if the row is not here now.
func (a *Aliases) IsOwn(table uint16, key string) bool { return a != nil && a.owns[table][key] }

// Carried reports whether an alias for the peer's key is with other peers alone.
func (a *Aliases) Carried(table uint16, their string) bool {
	_, ok := a.own[table][their]
	return ok && !a.mine[table][their]
}

// PutAliases stores aliases. What waits here under the peer's keys, or for them, waits under the own ones from then on. A peer has one alias at
// most for each row, and of each of its keys: one that contradicts another is an error. The caller has made sure that no row here and no
// deletion that is known here has the peer's key.
func PutAliases(ctx context.Context, q sqldb.DB, aliases []Alias) error {
	err := chunks(aliases, func(part []Alias) error {
		b := []byte("INSERT INTO omsync_alias (peer_id, table_id, their_key, own_key, source, made_at) VALUES ")
		for i, a := range part {
			if len(a.Their) > MaxAliasKey || len(a.Own) > MaxAliasKey || a.Their == a.Own {
				return fmt.Errorf("an alias has two keys, each of %d bytes at most", MaxAliasKey)
			}
			if i > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, "(%d,%d,", a.Peer, a.Table)
			b = append(sqldb.Binary(b, a.Their), ',')
			b = append(sqldb.Binary(b, a.Own), ',')
			b = fmt.Appendf(sqldb.Binary(b, string(a.From)), ",%d)", a.At)
		}
		return sqldb.Exec(ctx, q, string(b))
	})
	if err != nil {
		return fmt.Errorf("store aliases: %w", err)
	}
	for _, a := range aliases {
		their, own := string(sqldb.Binary(nil, a.Their)), string(sqldb.Binary(nil, a.Own))
		err := sqldb.Exec(ctx, q,
			fmt.Sprintf("UPDATE IGNORE omsync_waiting SET row_key = %s, tried_at = 0 WHERE peer_id = %d AND table_id = %d AND row_key = %s", own, a.Peer, a.Table, their),
			fmt.Sprintf("UPDATE omsync_waiting SET awaited_key = %s, tried_at = 0 WHERE awaited_table = %d AND awaited_key = %s AND peer_id = %d", own, a.Table, their, a.Peer))
		if err != nil {
			return fmt.Errorf("store an alias: %w", err)
		}
	}
	return nil
}

// PeerAliases calls f with the aliases of a peer, by table and key.
func PeerAliases(ctx context.Context, q sqldb.DB, peer merge.Peer, f func(Alias) error) error {
	query := fmt.Sprintf("SELECT table_id, their_key, own_key, source, made_at FROM omsync_alias WHERE peer_id = %d ORDER BY table_id, their_key", peer)
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		return f(Alias{peer, uint16(sqldb.Uint(r[0])), string(r[1]), string(r[2]), AliasSource(r[3]), sqldb.Int(r[4])})
	})
	if err != nil {
		return fmt.Errorf("read omsync_alias: %w", err)
	}
	return nil
}

// EachAlias calls f with the aliases of all peers, by peer, table and key.
func EachAlias(ctx context.Context, q sqldb.DB, f func(Alias) error) error {
	query := fmt.Sprintf("SELECT peer_id, table_id, their_key, own_key, source, made_at FROM omsync_alias WHERE peer_id <> %d ORDER BY peer_id, table_id, their_key", returnedRow)
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		return f(Alias{merge.Peer(sqldb.Uint(r[0])), uint16(sqldb.Uint(r[1])), string(r[2]), string(r[3]), AliasSource(r[4]), sqldb.Int(r[5])})
	})
	if err != nil {
		return fmt.Errorf("read omsync_alias: %w", err)
	}
	return nil
}

// DropAliases takes back aliases of one source that were made for a peer: for a table those with the peer's keys given. Only before
// anything of the peer is applied does nothing stand on them.
func DropAliases(ctx context.Context, q sqldb.DB, peer merge.Peer, from AliasSource, table uint16, theirs []string) error {
	return chunks(theirs, func(part []string) error {
		var keys []string
		for _, k := range part {
			keys = append(keys, string(sqldb.Binary(nil, k)))
		}
		err := sqldb.Exec(ctx, q, fmt.Sprintf("DELETE FROM omsync_alias WHERE peer_id = %d AND table_id = %d AND source = '%s' AND their_key IN (%s)", peer, table, from, strings.Join(keys, ",")))
		if err != nil {
			return fmt.Errorf("drop aliases: %w", err)
		}
		return nil
	})
}

// returnedRow stands in the place of a peer for rows here that came back: see [NoteReturned].
const returnedRow = 0

// NoteReturned remembers keys of rows that came back, or stayed in spite of a deletion (merge.Returned).
func NoteReturned(ctx context.Context, q sqldb.DB, table uint16, keys []string, now int64) error {
	return chunks(keys, func(part []string) error {
		b := []byte("INSERT IGNORE INTO omsync_alias (peer_id, table_id, their_key, own_key, source, made_at) VALUES ")
		for i, k := range part {
			if i > 0 {
				b = append(b, ',')
			}
			key := indexed(k)
			b = fmt.Appendf(b, "(%d,%d,", returnedRow, table)
			b = append(sqldb.Binary(b, key), ',')
			b = fmt.Appendf(sqldb.Binary(b, key), ",'',%d)", now)
		}
		if err := sqldb.Exec(ctx, q, string(b)); err != nil {
			return fmt.Errorf("note rows that came back: %w", err)
		}
		return nil
	})
}

// HaveReturned returns which of some keys are of rows that came back.
func HaveReturned(ctx context.Context, q sqldb.DB, table uint16, keys []string) (map[string]bool, error) {
	out := map[string]bool{}
	err := chunks(keys, func(part []string) error {
		byIndexed := map[string]string{}
		var in []string
		for _, k := range part {
			byIndexed[indexed(k)] = k
			in = append(in, string(sqldb.Binary(nil, indexed(k))))
		}
		query := fmt.Sprintf("SELECT their_key FROM omsync_alias WHERE peer_id = %d AND table_id = %d AND their_key IN (%s)", returnedRow, table, strings.Join(in, ","))
		return sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error { out[byIndexed[string(r[0])]] = true; return nil })
	})
	if err != nil {
		return nil, fmt.Errorf("read omsync_alias: %w", err)
	}
	return out, nil
}
