package trigger

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCascadedDeletes(t *testing.T) {
	w := watch(t, "never = [\"hidden\"]\n",
		`CREATE TABLE a (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB`,
		`CREATE TABLE b (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a INT, FOREIGN KEY (a) REFERENCES a (id) ON DELETE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE c (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, b INT, v INT, FOREIGN KEY (b) REFERENCES b (id) ON DELETE SET NULL) ENGINE=InnoDB`,
		`CREATE TABLE hidden (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a INT, FOREIGN KEY (a) REFERENCES a (id) ON DELETE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE d (h INT, n INT, PRIMARY KEY (h, n), FOREIGN KEY (h) REFERENCES hidden (id) ON DELETE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE e (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a INT, FOREIGN KEY (a) REFERENCES a (id)) ENGINE=InnoDB`)
	w.do("INSERT INTO a VALUES (1, 'a1'), (2, 'a2'), (3, 'a3')", "INSERT INTO b VALUES (1, 'b1', 1), (2, 'b2', 1), (3, 'b3', 2)",
		"INSERT INTO c VALUES (1, 'c1', 1, 0), (2, 'c2', 1, 0), (3, 'c3', 3, 0), (4, 'c4', NULL, 0)",
		"INSERT INTO hidden VALUES (7, 'h7', 1), (8, 'h8', 2)", "INSERT INTO e VALUES (1, 'e1', 3)")
	if w.cat.Table("d").Replicated {
		w.do("INSERT INTO d VALUES (7, 1), (7, 2), (8, 1)")
	}
	w.log()
	want := []string{"a D 1 a1", "b D 1 b1", "b D 2 b2", "c U 1 b", "c U 2 b"}
	if w.cat.Table("d").Replicated {
		want = append(want, "d D 7,1", "d D 7,2")
	}
	w.expect("DELETE FROM a WHERE id = 1", want...)
	w.do("SET foreign_key_checks = 0")
	w.expect("DELETE FROM a WHERE id = 3", "a D 3 a3") // nothing cascades without checks
	w.expect("DELETE FROM a WHERE id = 2", "a D 2 a2")
	w.do("SET foreign_key_checks = 1")
	w.expect("DELETE FROM b WHERE id = 3", "b D 3 b3", "c U 3 b")
}

// users.changed_by of OpenMRS: deleting a user deletes all whom that user changed last, and so on.
func TestCascadeIntoItself(t *testing.T) {
	w := watch(t, "", `CREATE TABLE users (user_id INT PRIMARY KEY, uuid CHAR(38) NOT NULL, changed_by INT, creator INT,
			FOREIGN KEY (changed_by) REFERENCES users (user_id) ON DELETE CASCADE, FOREIGN KEY (creator) REFERENCES users (user_id)) ENGINE=InnoDB`,
		`CREATE TABLE user_property (user_id INT, property VARCHAR(20), PRIMARY KEY (user_id, property),
			FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE CASCADE) ENGINE=InnoDB`)
	w.do("INSERT INTO users VALUES (1, 'u1', 1, 1), (2, 'u2', 1, 1), (3, 'u3', 2, 1), (4, 'u4', 3, 1), (5, 'u5', 3, 1), (6, 'u6', NULL, 1)",
		"INSERT INTO user_property VALUES (4, 'x'), (5, 'y'), (6, 'z')")
	w.log()
	w.expect("DELETE FROM users WHERE user_id = 2", "users D 2 u2", "users D 3 u3", "users D 4 u4", "users D 5 u5", "user_property D 4,78", "user_property D 5,79")
	// As deep as the server goes.
	for i := 10; i <= 40; i++ {
		w.do(fmt.Sprintf("INSERT INTO users VALUES (%d, 'd%d', %s, 1)", i, i, map[bool]string{true: "NULL", false: fmt.Sprint(i - 1)}[i == 10]))
	}
	w.log()
	for top := 40; ; top-- {
		if top < 10 {
			t.Fatal("not even one user can be deleted")
		}
		if _, err := w.app.ExecContext(t.Context(), fmt.Sprintf("DELETE FROM users WHERE user_id = %d", top)); err != nil {
			break // deeper than the server goes
		}
		var left int
		if err := w.db.QueryRow("SELECT COUNT(*) FROM users WHERE user_id >= 10").Scan(&left); err != nil {
			t.Fatal(err)
		}
		captured := map[string]bool{}
		for _, l := range w.log() {
			if strings.HasPrefix(l, "users D ") {
				captured[l] = true
			}
		}
		if gone := 31 - left; gone != len(captured) {
			t.Fatalf("deleting user %d deleted %d, captured %d", top, gone, len(captured))
		}
		w.do("SET @omsync_quiet = 1")
		for i := top; i <= 40; i++ {
			w.do(fmt.Sprintf("INSERT INTO users VALUES (%d, 'd%d', %s, 1)", i, i, map[bool]string{true: "NULL", false: fmt.Sprint(i - 1)}[i == 10]))
		}
		w.do("SET @omsync_quiet = NULL")
		if top == 10 {
			break
		}
	}
}

// The ON UPDATE CASCADE ones of OpenMRS 2.6: person → patient → encounter, and others beside.
func TestCascadedKeys(t *testing.T) {
	w := watch(t, "",
		`CREATE TABLE person (person_id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, v INT) ENGINE=InnoDB`,
		`CREATE TABLE person_name (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, person_id INT, FOREIGN KEY (person_id) REFERENCES person (person_id) ON UPDATE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE patient (patient_id INT PRIMARY KEY, v INT, FOREIGN KEY (patient_id) REFERENCES person (person_id) ON UPDATE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE encounter (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, patient_id INT, FOREIGN KEY (patient_id) REFERENCES patient (patient_id) ON UPDATE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE member (cohort INT, patient_id INT, PRIMARY KEY (cohort, patient_id), FOREIGN KEY (patient_id) REFERENCES patient (patient_id) ON UPDATE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE loose (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, person_id INT, FOREIGN KEY (person_id) REFERENCES person (person_id) ON UPDATE SET NULL) ENGINE=InnoDB`)
	w.do("INSERT INTO person VALUES (5, 'p5', 0), (6, 'p6', 0)", "INSERT INTO person_name VALUES (1, 'n1', 5), (2, 'n2', 5), (3, 'n3', 6)",
		"INSERT INTO patient VALUES (5, 0), (6, 0)", "INSERT INTO encounter VALUES (1, 'e1', 5), (2, 'e2', 6)",
		"INSERT INTO member VALUES (1, 5), (2, 6)", "INSERT INTO loose VALUES (1, 'l1', 5), (2, 'l2', 6)")
	w.log()
	w.expect("UPDATE person SET v = 1", "person U 5 v", "person U 6 v")
	w.expect("UPDATE person SET person_id = 50 WHERE person_id = 5", "person D 5 p5", "person I 50", "person_name U 1 person_id", "person_name U 2 person_id",
		"patient D 5", "patient I 50", "encounter U 1 patient_id", "member D 1,5", "member I 1,50", "loose U 1 person_id")
	w.do("SET foreign_key_checks = 0")
	w.expect("UPDATE person SET person_id = 60 WHERE person_id = 6", "person D 6 p6", "person I 60")
}

func TestCascadesOfTextKeys(t *testing.T) {
	w := watch(t, "[key]\nrole = [\"role\"]\n", `CREATE TABLE role (role VARCHAR(50) PRIMARY KEY, v INT) ENGINE=InnoDB DEFAULT CHARSET=utf8`,
		`CREATE TABLE user_role (user_id INT, role VARCHAR(50), PRIMARY KEY (user_id, role), FOREIGN KEY (role) REFERENCES role (role) ON UPDATE CASCADE ON DELETE CASCADE) ENGINE=InnoDB DEFAULT CHARSET=utf8`,
		`CREATE TABLE form (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, role VARCHAR(50), FOREIGN KEY (role) REFERENCES role (role) ON UPDATE CASCADE ON DELETE SET NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8`)
	w.do("INSERT INTO role VALUES ('a', 0), ('b', 0)", "INSERT INTO user_role VALUES (1, 'a'), (2, 'b')", "INSERT INTO form VALUES (1, 'f', 'a')")
	w.log()
	w.expect("UPDATE role SET role = 'c' WHERE role = 'a'", "role D 61", "role I 63", "user_role D 1,61", "user_role I 1,63", "form U 1 role")
	w.expect("DELETE FROM role WHERE role = 'c'", "role D 63", "user_role D 1,63", "form U 1 role")
	// In another case: what the server does to the children is what must be captured.
	w.do("UPDATE role SET role = 'B' WHERE role = 'b'")
	got := w.log()
	var child string
	if err := w.db.QueryRow("SELECT role FROM user_role").Scan(&child); err != nil {
		t.Fatal(err)
	}
	if child == "B" && !slices.Contains(got, "user_role I 2,42") {
		t.Errorf("the child changed with the key's case, captured: %q", got)
	}
}

// Two tables that cascade into each other are followed to the depth that the server allows.
func TestCascadeCycle(t *testing.T) {
	w := watch(t, "", `CREATE TABLE a (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, b INT, FOREIGN KEY (b) REFERENCES b (id) ON DELETE CASCADE) ENGINE=InnoDB`,
		`CREATE TABLE b (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a INT, FOREIGN KEY (a) REFERENCES a (id) ON DELETE CASCADE) ENGINE=InnoDB`)
	w.do("INSERT INTO a VALUES (1, 'a1', NULL)", "INSERT INTO b VALUES (1, 'b1', 1)", "INSERT INTO a VALUES (2, 'a2', 1)", "INSERT INTO b VALUES (2, 'b2', 2)")
	w.log()
	w.expect("DELETE FROM a WHERE id = 1", "a D 1 a1", "b D 1 b1", "a D 2 a2", "b D 2 b2")
	if gaps := CascadeGaps(w.cat); len(gaps) > 0 {
		t.Errorf("gaps: %v", gaps)
	}
}

// A table whose many cascades run in circles has more paths than a trigger can follow: it is named.
func TestCascadeGaps(t *testing.T) {
	w := watch(t, "", `CREATE TABLE knot (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a INT, b INT, c INT,
		FOREIGN KEY (a) REFERENCES knot (id) ON DELETE CASCADE, FOREIGN KEY (b) REFERENCES knot (id) ON DELETE CASCADE,
		FOREIGN KEY (c) REFERENCES knot (id) ON DELETE SET NULL) ENGINE=InnoDB`, `CREATE TABLE other (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB`)
	if gaps := CascadeGaps(w.cat); !slices.Equal(gaps, []string{"knot"}) {
		t.Errorf("gaps: %v", gaps)
	}
	w.do("INSERT INTO knot VALUES (1, 'k1', NULL, NULL, NULL), (2, 'k2', 1, NULL, NULL), (3, 'k3', NULL, 2, NULL), (4, 'k4', NULL, NULL, 3)")
	w.log()
	w.expect("DELETE FROM knot WHERE id = 1", "knot D 1 k1", "knot D 2 k2", "knot D 3 k3", "knot U 4 c")
}
