package apply_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// look makes sure that a file to a child with a scope says nothing of a patient who is not in the scope now.
func (n *scoped) look(f *sites.File) {
	n.t.Helper()
	n.files = append(n.files, f)
	in, filtered := map[string]bool{}, false
	rows, err := f.From.DB.Query("SELECT s.own FROM omsync_scope_peer s JOIN omsync_peer p ON p.id = s.peer_id WHERE p.name = ? AND p.role = 'child'", f.To.Name)
	if err != nil {
		n.t.Fatal(err)
	}
	for rows.Next() {
		if err := rows.Scan(&filtered); err != nil {
			n.t.Fatal(err)
		}
	}
	rows.Close()
	if !filtered {
		return
	}
	rows, err = f.From.DB.Query("SELECT s.owner_key FROM omsync_scope s JOIN omsync_peer p ON p.id = s.peer_id WHERE p.name = ? AND s.since > 0", f.To.Name)
	if err != nil {
		n.t.Fatal(err)
	}
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			n.t.Fatal(err)
		}
		in[key] = true
	}
	rows.Close()
	said, records := textsIn(n.t, f)
	for patient, rows := range rowsOf(n.t, f.From) {
		if in[strings.ToLower(patient)] {
			continue
		}
		for _, row := range rows {
			if said[row] {
				n.t.Errorf("%s to %s has %s, of patient %s who is not in its scope", f.Name, f.To.Name, row, patient)
			}
		}
	}
	for _, r := range records {
		public := r.table == "users" || r.table == "concept" || f.From.One("SELECT COUNT(*) FROM omsync_public WHERE row_key = ?", r.key) != "0"
		if len(r.owners) == 0 && !public && f.From.One("SELECT COUNT(*) FROM omsync_conflict WHERE row_key = ? AND owners IS NULL AND peer_id = ?", r.key, peerID(n.t, f.From, f.To)) == "0" {
			n.t.Errorf("%s to %s has a conflict record of %s %s, which is nobody's", f.Name, f.To.Name, r.table, r.key)
		}
		for _, o := range r.owners {
			if !in[o] && !public {
				n.t.Errorf("%s to %s has a conflict record of %s %s, of patient %s who is not in its scope", f.Name, f.To.Name, r.table, r.key, o)
			}
		}
	}
}

// fileRecord is what a file's conflict record is about.
type fileRecord struct {
	table, key string
	owners     []string
}

// textsIn returns all that stands in a file: values, owners, and the keys of rows, but for those that conflict records alone are about; and whose
// these records are.
func textsIn(t *testing.T, f *sites.File) (texts map[string]bool, records []fileRecord) {
	t.Helper()
	texts = map[string]bool{}
	r, err := batch.Open(bytes.NewReader(f.Data), int64(len(f.Data)), func(*batch.Header, []byte, []byte) error { return nil }, func(r io.Reader) (io.Reader, error) { return r, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var tables []string
	var keys [][]string // by number: the texts of a key
	use := func(numbers ...uint32) {
		for _, n := range numbers {
			if n >= batch.FirstRef {
				for _, text := range keys[n-batch.FirstRef] {
					texts[text] = true
				}
			}
		}
	}
	say := func(of ...[]string) {
		for _, o := range slices.Concat(of...) {
			texts[o] = true
		}
	}
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return texts, records
		}
		if err != nil {
			t.Fatal(err)
		}
		switch i := item.(type) {
		case *batch.TableItem:
			tables = append(tables, i.Table.Name)
		case *batch.ResetItem:
			keys = nil
		case *batch.KeysItem:
			n := 0
			for _, part := range i.Parts {
				n = max(n, len(part.Bytes), len(part.Refs))
			}
			of := make([][]string, n)
			for _, part := range i.Parts {
				use(part.Refs...)
				for at, b := range part.Bytes {
					of[at] = append(of[at], string(b))
				}
			}
			keys = append(keys, of...)
		case *batch.ShortKeysItem: // of rows that the receiver has
			keys = append(keys, make([][]string, len(i.Prefixes))...)
		case *batch.Rows:
			use(i.Keys...)
			for _, c := range i.Columns {
				use(c.Refs...)
				for _, b := range c.Bytes {
					texts[string(b)] = true
				}
			}
		case *batch.Records:
			for _, v := range i.Values {
				texts[string(v)] = true
			}
			say(i.Owners...)
			for at, key := range i.Keys {
				r := fileRecord{table: tables[i.Table], key: strings.Join(keys[key-batch.FirstRef], "/")}
				if i.Owners != nil {
					r.owners = i.Owners[at]
				}
				records = append(records, r)
			}
		case *batch.Deletions:
			use(i.Keys...)
			say(i.Owners...)
		}
	}
}
