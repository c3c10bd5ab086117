package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
)

func parse(t *testing.T, text string) *Profile {
	t.Helper()
	p, err := ParseProfile("test", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// column fails unless the table and the column exist.
func column(t *testing.T, c *Catalogue, table, name string) *Column {
	t.Helper()
	if c.Table(table) == nil || c.Table(table).Column(name) == nil {
		t.Fatalf("no column %s.%s", table, name)
	}
	return c.Table(table).Column(name)
}

func TestHostileNames(t *testing.T) {
	const child, parent = "na`me with.dots", "Upper \"quoted\" é"
	c := read(t, nil,
		"CREATE TABLE "+Quote(parent)+" (`i``d` INT AUTO_INCREMENT PRIMARY KEY, `UUID` CHAR(36) NOT NULL UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE "+Quote(child)+" ("+Quote("re`f.x")+" INT NOT NULL, `é` INT, uuid CHAR(36), PRIMARY KEY ("+Quote("re`f.x")+"), FOREIGN KEY ("+Quote("re`f.x")+") REFERENCES "+Quote(parent)+" (`i``d`)) ENGINE=InnoDB")
	r := column(t, c, child, "RE`F.X").Ref
	if r == nil || r.To.Name != parent || r.ToColumn.Name != "i`d" {
		t.Fatalf("reference of %s: %+v", child, r)
	}
	if k := c.Table(parent).KeyColumns; len(k) != 1 || k[0].Name != "UUID" || !k[0].UUIDColumn {
		t.Errorf("key of %s: %v", parent, names(k))
	}
	if got := Quote("a`b``"); got != "`a``b`````" {
		t.Errorf("Quote: %s", got)
	}
	if o := c.Order(); len(o) != 2 || o[0].Name != parent {
		t.Errorf("order: %v", o)
	}
}

func TestTableNamesByCase(t *testing.T) {
	for _, lower := range []bool{false, true} {
		c := &Catalogue{lower: lower, byName: map[string]*Table{}}
		c.add(&Table{Name: "Person"})
		if got := c.Table("pERSON") != nil; got != lower {
			t.Errorf("lower_case_table_names %t: found %t", lower, got)
		}
		if c.Table("Person") == nil {
			t.Errorf("lower_case_table_names %t: exact name not found", lower)
		}
	}
}

func TestOwnTablesAreLeftOut(t *testing.T) {
	c := read(t, nil, "CREATE TABLE omsync_capture (id INT PRIMARY KEY) ENGINE=InnoDB", "CREATE TABLE a (uuid CHAR(36)) ENGINE=InnoDB", "CREATE VIEW v AS SELECT * FROM a")
	if len(c.Tables) != 1 || c.Tables[0].Name != "a" {
		t.Errorf("tables: %v", c.Tables)
	}
}

func TestEmptyDatabase(t *testing.T) {
	s := dbtest.Server(t)
	name, _ := s.Database(t)
	if _, err := Read(t.Context(), s.Open(t, name), name, nil); err == nil || !strings.Contains(err.Error(), "has no tables") {
		t.Errorf("error: %v", err)
	}
}

func TestGeneratedColumns(t *testing.T) {
	s := dbtest.Server(t)
	if !s.MariaDB && !s.AtLeast(5, 7) {
		t.Skip("MySQL 5.6 has no generated columns")
	}
	c := read(t, nil, `CREATE TABLE g (a INT NOT NULL, b INT AS (a+1) VIRTUAL, s INT AS (a+2) STORED, uuid CHAR(36) AS (CONCAT('x', a)) STORED, d INT DEFAULT 1) ENGINE=InnoDB`)
	g := c.Table("g")
	for name, want := range map[string]bool{"a": false, "b": true, "s": true, "uuid": true, "d": false} {
		if col := g.Column(name); col.Generated != want || (col.Excluded == "generated") != want {
			t.Errorf("%s: generated %t, withheld %q", name, col.Generated, col.Excluded)
		}
	}
	if g.Key != KeyAll || names(g.KeyColumns) != "a, d" {
		t.Errorf("key: %s (%s)", g.Key, names(g.KeyColumns))
	}
	if names(g.LocalColumns) != "a, d" || names(g.Sent()) != "a, d" {
		t.Errorf("known by (%s), sent (%s)", names(g.LocalColumns), names(g.Sent()))
	}
}

// What a row without a value gets is what Default says, whatever is in it.
func TestDefaults(t *testing.T) {
	s := dbtest.Server(t)
	texts := []string{"", "NULL", "null", "0", "it's", `back\slash`, "two''", "'", `\'`, "a\nb", "current_timestamp()", "1+1", "é", "b'1'", "x'00'", `"`}
	var b strings.Builder
	b.WriteString("CREATE TABLE d (id INT AUTO_INCREMENT PRIMARY KEY")
	for i, text := range texts {
		fmt.Fprintf(&b, ", t%d VARCHAR(50) CHARACTER SET utf8 DEFAULT %s", i, sqldb.AppendString(nil, []byte(text)))
	}
	b.WriteString(`, none VARCHAR(9), nul INT DEFAULT NULL, must INT NOT NULL, n INT NOT NULL DEFAULT -5, dec1 DECIMAL(5,2) DEFAULT 1.5,
		e ENUM('a''b','c') DEFAULT 'a''b', at DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3),
		stamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE=InnoDB`)
	name, _ := s.Database(t, b.String(), "INSERT INTO d (must) VALUES (1)")
	db := s.Open(t, name)
	c, err := Read(t.Context(), db, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := c.Table("d")
	check := func(column, want string) {
		t.Helper()
		got := d.Column(column).Default
		if got == nil || *got != want || d.Column(column).DefaultExpr {
			t.Errorf("%s: default %v (expression %t), want %q", column, got, d.Column(column).DefaultExpr, want)
		}
	}
	for i, want := range texts {
		col := fmt.Sprintf("t%d", i)
		var stored string
		if err := db.QueryRow("SELECT " + col + " FROM d").Scan(&stored); err != nil || stored != want {
			t.Fatalf("%s holds %q, want %q (%v)", col, stored, want, err)
		}
		check(col, want)
	}
	check("n", "-5")
	check("dec1", "1.50")
	check("e", "a'b")
	for _, name := range []string{"none", "nul", "must"} {
		if got := d.Column(name).Default; got != nil {
			t.Errorf("%s: default %q, want none", name, *got)
		}
	}
	for name, want := range map[string]string{"at": "CURRENT_TIMESTAMP(3)", "stamp": "CURRENT_TIMESTAMP"} {
		col := d.Column(name)
		if col.Default == nil || *col.Default != want || !col.DefaultExpr || col.AutoUpdate != (name == "stamp") {
			t.Errorf("%s: default %v, expression %t, on update %t", name, col.Default, col.DefaultExpr, col.AutoUpdate)
		}
	}
	if cs := d.Column("t0").Charset; cs != "utf8mb3" {
		t.Errorf("charset %s", cs)
	}
}

func TestTypes(t *testing.T) {
	c := read(t, nil, `CREATE TABLE x (a BIGINT(20) UNSIGNED NOT NULL, b TINYINT(1), c ENUM('int(3)','x unsigned'), d DECIMAL(5,2) UNSIGNED, y YEAR, f INT ZEROFILL) ENGINE=InnoDB`)
	for name, want := range map[string]string{"a": "bigint unsigned", "b": "tinyint", "c": "enum('int(3)','x unsigned')", "d": "decimal(5,2) unsigned", "y": "year", "f": "int unsigned zerofill"} {
		col := column(t, c, "x", name)
		if col.FullType != want || col.Unsigned != (name == "a" || name == "d" || name == "f") {
			t.Errorf("%s: %s, unsigned %t; want %s", name, col.FullType, col.Unsigned, want)
		}
	}
}

func TestKeys(t *testing.T) {
	ddl := []string{
		`CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL, UNIQUE KEY u (uuid)) ENGINE=InnoDB`,
		`CREATE TABLE child (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES p (id) ON DELETE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE grandchild (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES child (id)) ENGINE=InnoDB`,
		`CREATE TABLE short_uuid (id INT PRIMARY KEY, uuid CHAR(8)) ENGINE=InnoDB`,
		`CREATE TABLE bin_uuid (uuid BINARY(16) PRIMARY KEY) ENGINE=InnoDB`,
		`CREATE TABLE own (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20)) ENGINE=InnoDB`,
		`CREATE TABLE named (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), uuid CHAR(36)) ENGINE=InnoDB`,
		`CREATE TABLE numbered (id INT PRIMARY KEY) ENGINE=InnoDB`,
		`CREATE TABLE line (p INT, n INT, own INT AUTO_INCREMENT, PRIMARY KEY (p, n), UNIQUE KEY (own), FOREIGN KEY (p) REFERENCES p (id)) ENGINE=InnoDB`,
		`CREATE TABLE line_note (a INT, b INT, txt TEXT, FOREIGN KEY (a, b) REFERENCES line (p, n)) ENGINE=InnoDB`,
		`CREATE TABLE needs_own (uuid CHAR(36), own INT NOT NULL, FOREIGN KEY (own) REFERENCES own (id)) ENGINE=InnoDB`,
		`CREATE TABLE likes_own (uuid CHAR(36), own INT, FOREIGN KEY (own) REFERENCES own (id)) ENGINE=InnoDB`,
		`CREATE TABLE pair_own (x INT, own INT, PRIMARY KEY (x, own), FOREIGN KEY (own) REFERENCES own (id)) ENGINE=InnoDB`,
		`CREATE TABLE ping (id INT PRIMARY KEY) ENGINE=InnoDB`,
		`CREATE TABLE pong (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES ping (id)) ENGINE=InnoDB`,
		`ALTER TABLE ping ADD FOREIGN KEY (id) REFERENCES pong (id)`,
		`CREATE TABLE code (code VARCHAR(10) PRIMARY KEY) ENGINE=InnoDB`,
		`CREATE TABLE coded (uuid CHAR(36), code VARCHAR(10), FOREIGN KEY (code) REFERENCES code (code)) ENGINE=InnoDB`,
		`CREATE TABLE twin (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36), alt VARCHAR(9) NOT NULL, UNIQUE (alt), no INT NOT NULL, UNIQUE (no)) ENGINE=InnoDB`,
		`CREATE TABLE by_alt (uuid CHAR(36), alt VARCHAR(9), no INT, FOREIGN KEY (alt) REFERENCES twin (alt), FOREIGN KEY (no) REFERENCES twin (no)) ENGINE=InnoDB`,
		`CREATE TABLE by_counter (uuid CHAR(36), c INT, FOREIGN KEY (c) REFERENCES line (own)) ENGINE=InnoDB`,
		`CREATE TABLE no_pk (a INT NOT NULL, b INT NOT NULL, c INT NOT NULL, UNIQUE KEY ab (a, b), UNIQUE KEY c (c)) ENGINE=InnoDB`,
		`CREATE TABLE bag (p INT, word VARCHAR(9), FOREIGN KEY (p) REFERENCES p (id)) ENGINE=InnoDB`,
		`CREATE TABLE old (uuid CHAR(36) PRIMARY KEY) ENGINE=MyISAM`,
		`CREATE TABLE secret (uuid CHAR(36) PRIMARY KEY) ENGINE=InnoDB`,
		`CREATE TABLE tells (uuid CHAR(36), a CHAR(36), b CHAR(36) NOT NULL, FOREIGN KEY (a) REFERENCES secret (uuid), FOREIGN KEY (b) REFERENCES secret (uuid)) ENGINE=InnoDB`,
		`CREATE TABLE two_ways (uuid CHAR(36), id INT, FOREIGN KEY (id) REFERENCES child (id) ON DELETE SET NULL, FOREIGN KEY (id) REFERENCES p (id) ON DELETE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE lookup (uuid CHAR(36), v VARCHAR(20), KEY (v, uuid)) ENGINE=InnoDB`,
	}
	p := parse(t, `never = ["sec*"]
[key]
named = ["name"]
numbered = ["id"]`)
	c := read(t, p, ddl...)
	type want struct{ key, root, local, why string }
	for table, w := range map[string]want{
		"p":          {"uuid uuid", "p", "id", ""},
		"child":      {"parent id", "p", "id", ""},
		"grandchild": {"parent id", "p", "id", ""},
		"short_uuid": {"none ", "short_uuid", "id", "no usable key: id is a number of this database alone; add a uuid column, or name its key in the profile: [key] short_uuid = [\"column\"]"},
		"bin_uuid":   {"uuid uuid", "bin_uuid", "uuid", ""},
		"own":        {"none ", "own", "id", "no usable key: id is"},
		"named":      {"columns name", "named", "id", ""},
		"numbered":   {"columns id", "numbered", "id", ""},
		"line":       {"columns p, n", "line", "p, n", ""},
		"line_note":  {"all a, b, txt", "line_note", "a, b, txt", ""},
		"needs_own":  {"uuid uuid", "needs_own", "uuid, own", "lost reference: own points to own by id"},
		"likes_own":  {"uuid uuid", "likes_own", "uuid, own", ""},
		"pair_own":   {"none ", "pair_own", "x, own", "no usable key: own refers to own, which has no usable key"},
		"ping":       {"none ", "ping", "id", "no usable key: id refers to pong"},
		"pong":       {"none ", "pong", "id", "no usable key: id leads by way of ping back to pong"},
		"code":       {"columns code", "code", "code", ""},
		"no_pk":      {"none ", "no_pk", "c", "no usable key: c is a number"},
		"bag":        {"all p, word", "bag", "p, word", ""},
		"old":        {"uuid uuid", "old", "uuid", "not InnoDB: MyISAM has no transactions; ALTER TABLE `old` ENGINE=InnoDB"},
		"secret":     {"uuid uuid", "secret", "uuid", "profile: never"},
		"tells":      {"uuid uuid", "tells", "uuid, a, b", ""},
	} {
		x := c.Table(table)
		if got := x.Key.String() + " " + names(x.KeyColumns); got != w.key || x.Root.Name != w.root || names(x.LocalColumns) != w.local {
			t.Errorf("%s: %s, root %s, known by %s; want %+v", table, got, x.Root.Name, names(x.LocalColumns), w)
		}
		if x.Replicated != (w.why == "") || !strings.HasPrefix(x.Why, w.why) {
			t.Errorf("%s: travels %t: %s; want %q", table, x.Replicated, x.Why, w.why)
		}
	}
	for col, w := range map[string]string{
		"child.id":        "p.id",
		"grandchild.id":   "child.id",
		"line.p":          "p.id",
		"line_note.a":     "p.id", // by way of line.p
		"line_note.b":     "",     // a plain number
		"line.n":          "",
		"line.own":        " local number",
		"likes_own.own":   " refers to own, which has no usable key",
		"coded.code":      "code.code",
		"by_alt.alt":      "", // the column means the same everywhere
		"by_alt.no":       "",
		"by_counter.c":    " refers to line, which has no usable key",
		"bag.p":           "p.id",
		"tells.a":         "secret.uuid refers to secret, which does not travel",
		"tells.b":         "secret.uuid",
		"p.id":            " local number",
		"numbered.id":     "",
		"two_ways.id":     "child.id",
		"named.id":        " local number",
		"bin_uuid.uuid":   "",
		"short_uuid.uuid": "",
	} {
		table, name, _ := strings.Cut(col, ".")
		x := column(t, c, table, name)
		got := ""
		if x.Ref != nil {
			got = x.Ref.To.Name + "." + x.Ref.ToColumn.Name
		}
		if x.Excluded != "" {
			got += " " + x.Excluded
		}
		if got != w {
			t.Errorf("%s: %q, want %q", col, got, w)
		}
	}
	for table, w := range map[string][2]bool{"p": {true, true}, "named": {}, "lookup": {}, "line": {true, true}, "bag": {}, "child": {true, true}} {
		if x := c.Table(table); [2]bool{x.KeyIndexed, x.KeyUnique} != w {
			t.Errorf("%s: key indexed %t, unique %t; want %v", table, x.KeyIndexed, x.KeyUnique, w)
		}
	}
	// Both foreign keys of two_ways.id are known to their parents, with what the server does.
	var actions []string
	for _, parent := range []string{"child", "p"} {
		for _, r := range c.Table(parent).Children {
			if r.From.Table.Name == "two_ways" {
				actions = append(actions, parent+" "+r.OnDelete)
			}
		}
	}
	if !slices.Equal(actions, []string{"child SET NULL", "p CASCADE"}) {
		t.Errorf("two_ways: %v", actions)
	}
	if !c.Table("named").Column("uuid").InsertOnly || c.Table("p").Column("uuid").InsertOnly {
		t.Error("InsertOnly is for the uuid of tables that are matched by another key")
	}
	for _, w := range []string{"line_note: the foreign key", "line.n is part of the key", "tells.b refers to secret"} {
		if !slices.ContainsFunc(c.Notes, func(n string) bool { return strings.HasPrefix(n, w) }) {
			t.Errorf("no note %q in %q", w, c.Notes)
		}
	}
	checkOrder(t, c)
}

// MySQL can make up a primary key that the application does not see; it identifies nothing.
func TestInvisiblePrimaryKey(t *testing.T) {
	s := dbtest.Server(t)
	if s.MariaDB || !s.AtLeast(8, 1) {
		t.Skip("needs sql_generate_invisible_primary_key")
	}
	c := read(t, nil, "SET SESSION sql_generate_invisible_primary_key = 1", "CREATE TABLE tag (a INT, b INT) ENGINE=InnoDB")
	x := c.Table("tag")
	if x.Key != KeyAll || names(x.KeyColumns) != "a, b" || x.Integer == nil || !x.Integer.Local || !x.Replicated {
		t.Errorf("key %s (%s), integer %v, travels %t %s", x.Key, names(x.KeyColumns), x.Integer, x.Replicated, x.Why)
	}
}

func TestFingerprint(t *testing.T) {
	base := "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36), x INT, y INT) ENGINE=InnoDB"
	print := func(ddl ...string) string { return read(t, nil, ddl...).Fingerprint() }
	want := print(base)
	if len(want) != 32 {
		t.Errorf("fingerprint %q", want)
	}
	for what, ddl := range map[string]string{
		"order of columns": "CREATE TABLE a (y INT, id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36), x INT) ENGINE=InnoDB",
		"defaults":         "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36), x INT DEFAULT 7, y INT, KEY (x)) ENGINE=InnoDB",
	} {
		if got := print(ddl); got != want {
			t.Errorf("%s changes the fingerprint", what)
		}
	}
	for what, ddl := range map[string]string{
		"a column's type": "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36), x BIGINT, y INT) ENGINE=InnoDB",
		"a new column":    "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36), x INT, y INT, z INT) ENGINE=InnoDB",
		"a reference":     "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36), x INT, y INT, FOREIGN KEY (y) REFERENCES a (id)) ENGINE=InnoDB",
	} {
		if got := print(ddl); got == want {
			t.Errorf("%s does not change the fingerprint", what)
		}
	}
}

func TestReferenceToAnotherDatabase(t *testing.T) {
	s := dbtest.Server(t)
	other, _ := s.Database(t, "CREATE TABLE far (id INT PRIMARY KEY) ENGINE=InnoDB")
	// MySQL drops a parent table last: this database goes first.
	c := read(t, nil, "CREATE TABLE near (uuid CHAR(36), far INT, FOREIGN KEY (far) REFERENCES "+Quote(other)+".far (id)) ENGINE=InnoDB")
	if r := column(t, c, "near", "far").Ref; r != nil {
		t.Errorf("near.far refers to %s", r.To.Name)
	}
	if want := "near.far refers to another database, " + other + ": its value travels as it is"; !slices.Contains(c.Notes, want) {
		t.Errorf("notes %q, want %q", c.Notes, want)
	}
}
