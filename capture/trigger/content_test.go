package trigger

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// removed returns what was written of rows that were deleted, and clears it: "table local key column=value …".
func (w *watched) removed() (out []string) {
	w.t.Helper()
	rows, err := journal.RemovedRows(w.t.Context(), w.db, 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rows {
		t := w.cat.Table(w.byID[r.Table].Name)
		line := fmt.Sprintf("%s %d%s", t.Name, r.Int, r.Key)
		err := journal.RemovedContents(w.t.Context(), w.db, []uint64{r.ID}, func(_ uint64, content []byte) error {
			values, err := schema.ParseContent(t, content)
			for _, c := range schema.Contents(t) {
				if v, there := values[c]; there && v == nil {
					line += " " + c.Name + " NULL"
				} else if there {
					line += " " + c.Name + "=" + string(v)
				}
			}
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, line)
	}
	dbtest.Exec(w.t, w.db, "DELETE FROM omsync_removed", "DELETE FROM omsync_capture")
	slices.Sort(out)
	return out
}

const wholeTables = `CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a VARCHAR(20), b MEDIUMTEXT) ENGINE=InnoDB DEFAULT CHARSET=latin1`

// What rows held is written with each way to delete them, and by nothing else.
func TestContentOfDeletedRows(t *testing.T) {
	w := watch(t, "", wholeTables,
		`CREATE TABLE c (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE d (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, c INT, FOREIGN KEY (c) REFERENCES c (id) ON DELETE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE role (role VARCHAR(50) PRIMARY KEY, v INT) ENGINE=InnoDB DEFAULT CHARSET=utf8`)
	for _, x := range []struct {
		statement string
		want      []string
	}{
		{"INSERT INTO p VALUES (1, 'p1', 'é,=-', ''), (2, 'p2', NULL, 'x'), (3, 'p3', '', NULL)", nil},
		{"INSERT INTO c VALUES (5, 'c5', 1), (6, 'c6', 1)", nil},
		{"INSERT INTO d VALUES (7, 'd7', 5)", nil},
		{"UPDATE p SET b = 'y' WHERE id = 2", nil},
		{"UPDATE p SET uuid = 'other', b = 'z' WHERE id = 2", []string{"p 2 uuid=p2 a NULL b=y"}},
		{"UPDATE p SET id = 4 WHERE id = 2", []string{"p 2 uuid=other a NULL b=z"}},
		{"REPLACE INTO p VALUES (3, 'p3', 'new', NULL)", []string{"p 3 uuid=p3 a= b NULL"}},
		{"DELETE FROM p WHERE id = 1", []string{"c 5 uuid=c5 p=1", "c 6 uuid=c6 p=1", "d 7 uuid=d7 c=5", "p 1 uuid=p1 a=é,=- b="}},
		{"INSERT INTO role VALUES ('é', 1)", nil},
		{"DELETE FROM role", []string{"role 0C3A9 role=é v=1"}},
		{"UPDATE p SET b = REPEAT('x', 65520) WHERE id = 3", nil},
		{"UPDATE p SET b = REPEAT('x', 65540) WHERE id = 4", nil},
		{"DELETE FROM p WHERE id = 4", nil}, // too long
		{"DELETE FROM p WHERE id = 3", []string{"p 3 uuid=p3 a=new b=" + strings.Repeat("x", 65520)}},
	} {
		w.do(x.statement)
		if got := w.removed(); !slices.Equal(got, x.want) {
			t.Errorf("%.80s\n got: %.400q\nwant: %.400q", x.statement, got, x.want)
		}
	}
}

// Values of every type, as they are read.
func TestContentOfEveryType(t *testing.T) {
	for _, zone := range []string{"+00:00", "+05:30"} {
		w := watch(t, "", `CREATE TABLE v (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a BIGINT UNSIGNED, b SMALLINT ZEROFILL, c DECIMAL(30,10), d FLOAT, e DOUBLE, f DOUBLE(10,3),
			g BIT(12), h DATE, i DATETIME(6), j TIMESTAMP(3) NULL, k TIME, l YEAR, m ENUM('ä','b'), n SET('x','y'), o VARBINARY(9), p BLOB, q TEXT CHARACTER SET utf8mb4, r POINT, s BOOLEAN) ENGINE=InnoDB DEFAULT CHARSET=latin1`)
		read := func(where string) (out []string) {
			query := "SELECT id"
			for _, c := range schema.Contents(w.cat.Table("v")) {
				query += ", " + c.Select("")
			}
			rows, err := w.app.QueryContext(t.Context(), query+" FROM v WHERE "+where)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				values := make([]*string, len(schema.Contents(w.cat.Table("v")))+1)
				into := make([]any, len(values))
				for i := range values {
					into[i] = &values[i]
				}
				if err := rows.Scan(into...); err != nil {
					t.Fatal(err)
				}
				line := "v " + *values[0]
				for i, c := range schema.Contents(w.cat.Table("v")) {
					if values[i+1] == nil {
						line += " " + c.Name + " NULL"
					} else {
						line += " " + c.Name + "=" + strings.TrimLeft(*values[i+1], map[bool]string{true: "0"}[c.Name == "b"])
					}
				}
				out = append(out, line)
			}
			return out
		}
		w.do("SET sql_mode = ''", "SET time_zone = '+00:00'",
			"INSERT INTO v VALUES (1, 'u', 18446744073709551615, 7, -1.5, 1e30, 1e-300, 1.5, 2049, '2020-02-29', '2020-02-29 01:02:03.000004', '2020-02-29 01:02:03.123', '-01:02:03', 2000, 'ä', 'x,y', x'00ff2c', x'ff', '😀,\\'', ST_GeomFromText('POINT(1 2)'), 1)",
			"INSERT INTO v (id, uuid) VALUES (2, 'v')",
			"INSERT INTO v (id, uuid, d, e, h, i) VALUES (3, 'w', 0.1, 1.7976931348623157e308, '0000-00-00', '0000-00-00 00:00:00')")
		want := read("1")
		w.do("SET time_zone = '"+zone+"'", "SET collation_connection = latin1_german2_ci, sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE'", "DELETE FROM v")
		got := w.removed()
		for i := range min(len(got), len(want)) { // the driver has its own way to print a float
			got[i], want[i] = strings.ReplaceAll(got[i], "e+", "e"), strings.ReplaceAll(want[i], "e+", "e")
		}
		if !slices.Equal(got, want) {
			t.Errorf("in the time zone %s\n got: %q\nwant: %q", zone, got, want)
		}
	}
}

// Whatever comes in the way of what a row held, the row is deleted, and that is captured.
func TestContentInTheWay(t *testing.T) {
	w := watch(t, "", strings.Replace(wholeTables, "b MEDIUMTEXT", "b MEDIUMTEXT, n INT NOT NULL DEFAULT 0", 1),
		`CREATE TABLE c (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, x INT, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE) ENGINE=InnoDB`)
	w.do("SET sql_mode = 'STRICT_ALL_TABLES'", "INSERT INTO p (id, uuid, b) VALUES (1, 'p1', ''), (2, 'p2', ''), (3, 'p3', ''), (4, 'p4', '')",
		"INSERT INTO c VALUES (1, 'c1', 0, 1), (2, 'c2', 0, 2), (3, 'c3', 0, 3), (4, 'c4', 0, 4)")
	w.log()
	deletes := func(id int) {
		t.Helper()
		w.expect(fmt.Sprintf("DELETE FROM p WHERE id = %d", id), fmt.Sprintf("p D %d p%[1]d", id), fmt.Sprintf("c D %d c%[1]d", id))
	}
	deletes(1)
	w.do("ALTER TABLE p DROP COLUMN a", "ALTER TABLE c DROP COLUMN x")
	w.removed()
	deletes(2)
	if got := w.removed(); len(got) > 0 {
		t.Errorf("written: %.300q", got)
	}
	w.do("ALTER TABLE omsync_removed DROP COLUMN content")
	deletes(3)
	w.do("DROP TABLE omsync_removed")
	deletes(4)
}
