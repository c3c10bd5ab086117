package rowkey

import (
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// place makes a database of the statements, and opens it as omsync does.
func place(t *testing.T, ddl ...string) (*sql.DB, *schema.Catalogue) {
	t.Helper()
	name, dsn := dbtest.Server(t).Database(t, ddl...)
	db, _, err := sqldb.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	p, err := schema.Builtin("none")
	if err != nil {
		t.Fatal(err)
	}
	c, err := schema.Read(t.Context(), db, name, p)
	if err != nil {
		t.Fatal(err)
	}
	return db, c
}

// uuids returns n of them, every fifth in capitals.
func uuids(n int) (out []string) {
	x := uint64(1)
	for i := range n {
		x = x*6364136223846793005 + 1442695040888963407
		u := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", x>>32, x>>16&0xffff, x>>24&0xfff, i, x>>8&0xffffffffffff)
		if i%5 == 0 {
			u = strings.ToUpper(u)
		}
		out = append(out, u)
	}
	return out
}

// Whatever the order of a collation, and whatever it takes two letters for, the keys that begin in some way are found by the index.
func TestBeginning(t *testing.T) {
	t.Parallel()
	collations := []string{
		"latin1_swedish_ci", "latin1_general_cs", "latin2_czech_cs", "cp1250_czech_cs", "ucs2_general_ci", "utf16_unicode_ci", "utf8mb3_general_ci", "utf8_general_ci", "utf8_unicode_ci",
		"utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "utf8mb4_czech_ci", "utf8mb4_danish_ci", "utf8mb4_hungarian_ci", "utf8mb4_vietnamese_ci",
		"utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb4_0900_bin", "utf8mb4_cs_0900_as_cs", "utf8mb4_da_0900_ai_ci",
		"utf8mb4_uca1400_ai_ci", "utf8mb4_uca1400_as_cs", "utf8mb4_uca1400_danish_ai_ci", "utf8mb4_nopad_bin",
	}
	keys := append(uuids(1000), "abc", "abch", "abcha", "ABCHZ", "abca", "abd", "abc-d", "abdz", "aa", "aab", "aaz", "nya", "nyb", "dza", "lj", "ab9", "ab9a", "ab9z", "ab:", "abé", "zz", "zza")
	texts := []string{"abc", "ab9", "aa", "ny", "d", "lj", "abd", "z", "zz", "none"}
	for _, k := range keys[:50] {
		texts = append(texts, strings.ToLower(k[:8]))
	}
	var ddl []string
	for i, c := range collations {
		kind := "VARCHAR(38)"
		if i%2 == 0 {
			kind = "CHAR(38)"
		}
		charset, _, _ := strings.Cut(c, "_")
		ddl = append(ddl, fmt.Sprintf("CREATE TABLE c_%s (id INT AUTO_INCREMENT PRIMARY KEY, uuid %s CHARACTER SET %s COLLATE %s NOT NULL, KEY (uuid)) ENGINE=InnoDB", c, kind, charset, c))
	}
	var have []string
	admin, err := sql.Open("mysql", dbtest.Server(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	err = sqldb.Each(t.Context(), admin, "SELECT COLLATION_NAME FROM information_schema.COLLATIONS UNION SELECT CONCAT('utf8mb4_', COLLATION_NAME) FROM information_schema.COLLATIONS WHERE COLLATION_NAME LIKE 'uca1400%'", func(r []sql.RawBytes) error {
		have = append(have, string(r[0]))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ddl = slices.DeleteFunc(ddl, func(s string) bool {
		return !slices.ContainsFunc(have, func(c string) bool { return strings.Contains(s, " COLLATE "+c+" ") })
	})
	if len(ddl) < 15 {
		t.Fatalf("the server has %d of the collations", len(ddl))
	}
	db, cat := place(t, ddl...)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var prefixes [][]byte
	for _, p := range texts {
		prefixes = append(prefixes, []byte(p))
	}
	for _, table := range cat.Tables {
		if !MayBegin(table) {
			t.Fatalf("%s: no key begins so", table.Name)
		}
		b := []byte("INSERT INTO " + schema.Quote(table.Name) + " (uuid) VALUES ")
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(table.KeyColumns[0].AppendLiteral(append(b, '('), []byte(k)), ')')
		}
		dbtest.Exec(t, conn, string(b))
		want := map[string]int{}
		for _, k := range keys {
			k = journal.Canonical(table, k)
			if slices.ContainsFunc(texts, func(p string) bool { return strings.HasPrefix(k, p) }) {
				want[k]++
			}
		}
		got, others := map[string]int{}, 0
		before := dbtest.Reads(t, conn)
		whole, err := Beginning(t.Context(), conn, table, prefixes, Limit(len(keys)), func(key string) {
			if want[key] == 0 {
				others++
				return
			}
			got[key]++
		})
		if err != nil || !whole {
			t.Fatalf("%s: %v, %v", table.Name, whole, err)
		}
		for k, n := range want {
			if got[k] != n {
				t.Errorf("%s: %q was found %d times of %d", table.Name, k, got[k], n)
			}
		}
		n, most := dbtest.Reads(t, conn)-before, 3*(len(texts)+len(got))+10
		if table.Name == "c_latin2_czech_cs" { // its order looks at digits last: all of the index is read
			most = 2 * len(keys)
		}
		if n > most || others > 3 {
			t.Errorf("%s: %d entries read for %d keys, and %d others found", table.Name, n, len(got), others)
		}
		if whole, err := Beginning(t.Context(), conn, table, prefixes, len(got)-1, func(string) {}); whole || err != nil {
			t.Errorf("%s: of more than the limit: %v, %v", table.Name, whole, err)
		}
	}
}
