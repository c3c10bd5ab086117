package openmrs

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// statementSize is the size in bytes at which an INSERT is sent: some hundreds of rows, well below the smallest
// max_allowed_packet in use (1 MB).
const statementSize = 256 << 10

// id is a row's local integer key. 0 stands for no row and is written as NULL.
type id int64

// day is a date without a time.
type day time.Time

// writer collects rows per table and sends them as multi-row INSERT statements of literals. The first error stays: all
// that follows does nothing, and flush returns it.
type writer struct {
	ctx  context.Context
	conn *sql.Conn
	rng  *rand.Rand

	next    map[string]id // the key that the table's next row will get
	inserts []*insert
	byHead  map[string]*insert
	rows    map[string]int
	err     error
}

// seeded returns a source of random numbers of its own for each site and seed.
func seeded(site string, seed int64) *rand.Rand {
	h := sha256.Sum256(fmt.Appendf(nil, "%d %s", seed, site))
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:16])))
}

// tableKeys finds the tables of OpenMRS 2.6 that have an integer key of their own, and its column.
func tableKeys() map[string]string {
	keys := map[string]string{"note": "note_id"} // not AUTO_INCREMENT, but numbered all the same
	pattern := regexp.MustCompile("(?s)^CREATE TABLE `(.*?)`.*?\n  `(\\w+)` [^\n]*AUTO_INCREMENT")
	for _, s := range Schema("2.6") {
		if m := pattern.FindStringSubmatch(s); m != nil && m[1] != "referral_order" { // its key is the order's
			keys[m[1]] = m[2]
		}
	}
	return keys
}

func newWriter(ctx context.Context, conn *sql.Conn, o Options) (*writer, error) {
	w := &writer{ctx: ctx, conn: conn, rng: seeded(o.Site, o.Seed), next: map[string]id{}, byHead: map[string]*insert{},
		rows: map[string]int{}}
	var parts []string
	for table, key := range tableKeys() {
		parts = append(parts, fmt.Sprintf("SELECT '%s', COALESCE(MAX(`%s`), 0) FROM `%s`", table, key, table))
	}
	rows, err := conn.QueryContext(ctx, strings.Join(parts, " UNION ALL "))
	if err != nil {
		return nil, fmt.Errorf("look for the tables of OpenMRS 2.6: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		var last int64
		if err := rows.Scan(&table, &last); err != nil {
			return nil, err
		}
		w.next[table] = id(max(last, o.Offset) + 1)
	}
	return w, rows.Err()
}

// newID takes the next key of a table.
func (w *writer) newID(table string) id {
	n, ok := w.next[table]
	if !ok {
		panic("openmrs: " + table + " has no key of its own")
	}
	w.next[table]++
	return n
}

// uuid makes a random version-4 UUID (RFC 9562).
func (w *writer) uuid() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], w.rng.Uint64())
	binary.BigEndian.PutUint64(b[8:], w.rng.Uint64())
	return formatUUID(b)
}

func formatUUID(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// insert is the INSERT statement of some columns of a table.
type insert struct {
	w       *writer
	table   string
	columns int
	head    string
	buf     []byte
}

// into returns the statement that fills some columns of a table, given as a comma-separated list.
func (w *writer) into(table, columns string) *insert {
	head := "INSERT INTO `" + table + "` (" + columns + ") VALUES "
	t := w.byHead[head]
	if t == nil {
		t = &insert{w: w, table: table, columns: strings.Count(columns, ",") + 1, head: head}
		w.byHead[head] = t
		w.inserts = append(w.inserts, t)
	}
	return t
}

// add adds a row.
func (t *insert) add(values ...any) {
	if len(values) != t.columns {
		panic(fmt.Sprintf("openmrs: %d values for %s", len(values), t.head))
	}
	if len(t.buf) == 0 {
		t.buf = append(t.buf, t.head...)
	} else {
		t.buf = append(t.buf, ',')
	}
	for i, v := range values {
		if i == 0 {
			t.buf = append(t.buf, '(')
		} else {
			t.buf = append(t.buf, ',')
		}
		t.buf = appendValue(t.buf, v)
	}
	t.buf = append(t.buf, ')')
	t.w.rows[t.table]++
	if len(t.buf) >= statementSize {
		t.send()
	}
}

func (t *insert) send() {
	if len(t.buf) > 0 {
		t.w.exec(string(t.buf))
		t.buf = t.buf[:0]
	}
}

func (w *writer) exec(statement string) {
	if w.err != nil {
		return
	}
	if _, err := w.conn.ExecContext(w.ctx, statement); err != nil {
		w.err = fmt.Errorf("%.60s…: %w", statement, err)
	}
}

// flush sends what was collected and commits.
func (w *writer) flush() error {
	for _, t := range w.inserts {
		t.send()
	}
	w.exec("COMMIT")
	return w.err
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "NULL"...)
	case id:
		if v == 0 {
			return append(b, "NULL"...)
		}
		return strconv.AppendInt(b, int64(v), 10)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case bool:
		if v {
			return append(b, '1')
		}
		return append(b, '0')
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case string:
		return appendQuoted(b, v)
	case time.Time:
		return v.AppendFormat(b, "'2006-01-02 15:04:05'")
	case day:
		return time.Time(v).AppendFormat(b, "'2006-01-02'")
	}
	panic(fmt.Sprintf("openmrs: a value of type %T", v))
}

// appendQuoted writes a string literal, for a session without NO_BACKSLASH_ESCAPES.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '\'')
	for i := range len(s) {
		switch c := s[i]; c {
		case '\'', '\\':
			b = append(b, '\\', c)
		case 0:
			b = append(b, '\\', '0')
		default:
			b = append(b, c)
		}
	}
	return append(b, '\'')
}

// number is a key as text, as some columns hold it.
func number(n id) string { return strconv.FormatInt(int64(n), 10) }
