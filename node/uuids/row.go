package uuids

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// named is a row for a person to look at.
func (f *fixing) named(t *schema.Table, x item) Row {
	return Row{rowkey.Named(t, []journal.Row{x.place().Row}), x.UUID, update(t, x) + ";"}
}

// update is the statement that gives a row its uuid. Columns that the server would set to the time by itself stay.
func update(t *schema.Table, x item) string {
	c := t.KeyColumns[0]
	b := c.AppendLiteral([]byte("UPDATE "+schema.Quote(t.Name)+" SET "+schema.Quote(c.Name)+" = "), stored(c, x.UUID))
	for _, c := range t.Columns {
		if q := schema.Quote(c.Name); c.AutoUpdate {
			b = append(b, ", "+q+" = "+q...)
		}
	}
	return string(b) + " WHERE " + rowkey.Where(t, []journal.Row{x.place().Row})
}

// values returns what rows without a uuid hold in their other columns, joined so that different values differ.
func (f *fixing) values(ctx context.Context, t *schema.Table, rows []journal.Row) (map[journal.Row][]byte, error) {
	columns := []string{journal.Identity(t, "")}
	for _, c := range t.Columns {
		if !c.Generated && c != t.KeyColumns[0] {
			columns = append(columns, c.Select(""))
		}
	}
	out := make(map[journal.Row][]byte, len(rows))
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s AND %s", strings.Join(columns, ", "), schema.Quote(t.Name), rowkey.Where(t, rows), none(t))
	err := sqldb.Each(ctx, f.conn, query, func(r []sql.RawBytes) error {
		h := sha256.New() // a row may be large
		i := 0
		for _, c := range t.Columns {
			if c.Generated || c == t.KeyColumns[0] {
				continue
			}
			v := r[2+i]
			i++
			h.Write(binary.AppendUvarint([]byte(strings.ToLower(c.Name)+"\x00"), uint64(len(v))))
			if v == nil {
				h.Write([]byte{0})
			} else {
				h.Write(append([]byte{1}, v...))
			}
		}
		out[journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}] = h.Sum(nil)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read rows without a uuid: %w", err)
	}
	return out, nil
}

// digest is what a list has of a row's values: nothing that can be compared with another row's.
func digest(uuid string, values []byte) []byte {
	sum := sha256.Sum256(append([]byte(uuid), values...))
	return sum[:16]
}

// newUUID returns a random uuid (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// stored is a uuid as a column holds it: with its dashes, or where it has no room for them without, or as 16 bytes.
func stored(c *schema.Column, uuid string) []byte {
	short := strings.ReplaceAll(uuid, "-", "")
	switch c.Type {
	case "binary", "varbinary":
		if c.Length >= 36 && c.Type == "varbinary" {
			return []byte(uuid)
		}
		b, _ := hex.DecodeString(short)
		return b
	}
	if c.Type != "uuid" && c.Length < 36 {
		return []byte(short)
	}
	return []byte(uuid)
}
