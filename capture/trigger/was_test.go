package trigger

import (
	"fmt"
	"testing"
)

var ownedTables = []string{
	`CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, v INT) ENGINE=InnoDB`,
	`CREATE TABLE patient (patient_id INT PRIMARY KEY, v INT, FOREIGN KEY (patient_id) REFERENCES person (person_id)) ENGINE=InnoDB`,
	`CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, patient_id INT NULL, v INT, FOREIGN KEY (patient_id) REFERENCES patient (patient_id)) ENGINE=InnoDB`,
	`CREATE TABLE note (note_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, visit_id INT NOT NULL, FOREIGN KEY (visit_id) REFERENCES visit (visit_id) ON DELETE CASCADE) ENGINE=InnoDB`,
	`CREATE TABLE relation (relation_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a INT NOT NULL, b INT NOT NULL, v INT,
		FOREIGN KEY (a) REFERENCES person (person_id), FOREIGN KEY (b) REFERENCES person (person_id)) ENGINE=InnoDB`,
	`CREATE TABLE place (place_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, v INT) ENGINE=InnoDB`,
}

const ownedProfile = "[owner]\ntable = \"patient\"\n[owner.by]\nrelation = [\"a\", \"b\"]\n"

// What a row said of its owners is noted where that changes and where a row is deleted, also by a cascade, and by nothing else: an insert and
// another update cost nothing.
func TestWhoseRowsWere(t *testing.T) {
	w := watch(t, ownedProfile, ownedTables...)
	w.expect("INSERT INTO person (person_id, uuid) VALUES (1, 'p1'), (2, 'p2'), (3, 'p3')", "person I 1", "person I 2", "person I 3")
	w.expect("INSERT INTO patient (patient_id) VALUES (1), (2)", "patient I 1", "patient I 2")
	w.expect("INSERT INTO visit (visit_id, uuid, patient_id) VALUES (10, 'v10', 1), (11, 'v11', NULL), (12, 'v12', 2)", "visit I 10", "visit I 11", "visit I 12")
	w.expect("INSERT INTO note (note_id, uuid, visit_id) VALUES (20, 'n20', 10), (21, 'n21', 12)", "note I 20", "note I 21")
	w.expect("INSERT INTO relation (relation_id, uuid, a, b) VALUES (30, 'r30', 1, 2)", "relation I 30")
	w.expect("INSERT INTO place (place_id, uuid) VALUES (40, 'l40')", "place I 40")
	w.expect("UPDATE visit SET v = 5, patient_id = patient_id", "visit U 10 v", "visit U 11 v", "visit U 12 v")
	w.expect("UPDATE visit SET patient_id = 2 WHERE visit_id < 12", "visit W 10 patient_id=1", "visit U 10 patient_id", "visit W 11 patient_id=0", "visit U 11 patient_id")
	w.expect("UPDATE relation SET b = 3", "relation W 30 a=1", "relation W 30 b=2", "relation U 30 b")
	w.expect("UPDATE relation SET uuid = 'r31'", "relation W 30 a=1", "relation W 30 b=3", "relation D 30 r30", "relation I 30")
	w.expect("UPDATE note SET visit_id = 11 WHERE note_id = 20", "note W 20 visit_id=10", "note U 20 visit_id")
	w.expect("DELETE FROM relation", "relation W 30 a=1", "relation W 30 b=3", "relation D 30 r31")
	w.expect("DELETE FROM visit WHERE visit_id = 12", "note W 21 visit_id=12", "note D 21 n21", "visit W 12 patient_id=2", "visit D 12 v12")
	w.expect("DELETE FROM place", "place D 40 l40")
	w.expect("DELETE FROM patient WHERE patient_id = 1", "patient D 1")
	w.expect("DELETE FROM person WHERE person_id = 3", "person D 3 p3")
	w.do("SET @omsync_quiet = 1")
	w.expect("UPDATE visit SET patient_id = NULL")
	w.expect("DELETE FROM note")
}

// A column that is gone, and a number that has no room, stop nothing.
func TestWhoseRowsWereStopsNothing(t *testing.T) {
	w := watch(t, ownedProfile,
		`CREATE TABLE patient (patient_id BIGINT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB`,
		`CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, patient_id BIGINT NULL, v INT, FOREIGN KEY (patient_id) REFERENCES patient (patient_id)) ENGINE=InnoDB`)
	low := int64(-9223372036854775808)
	w.do(fmt.Sprintf("INSERT INTO patient VALUES (%d, 'p'), (5, 'q')", low), fmt.Sprintf("INSERT INTO visit (visit_id, uuid, patient_id) VALUES (1, 'v', %d), (2, 'w', 5)", low))
	w.log()
	w.expect("UPDATE visit SET patient_id = 5 WHERE visit_id = 1", fmt.Sprintf("visit W 1 patient_id=%d", low), "visit U 1 patient_id")
	w.do("ALTER TABLE visit DROP FOREIGN KEY visit_ibfk_1", "ALTER TABLE visit DROP COLUMN patient_id")
	w.expect("UPDATE visit SET v = 7 WHERE visit_id = 1", "visit U 1 all")
	w.expect("DELETE FROM visit", "visit D 1 v", "visit D 2 w")
}
