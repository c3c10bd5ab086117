package apply_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

// belong notes that rows, named "table/key", belong to a patient.
func (w *scopeWorld) belong(patient string, rows ...string) {
	for _, row := range rows {
		if w.ever[row] == nil {
			w.ever[row] = map[string]bool{}
		}
		w.ever[row][patient] = true
	}
}

// wrote notes values that were written at a site: each is written once and nowhere else.
func (w *scopeWorld) wrote(s *sites.Site, values ...string) {
	for _, v := range values {
		w.written[v] = s.Name
	}
}

// over notes that values were written over, or deleted, by who saw them.
func (w *scopeWorld) over(values []string) {
	for _, v := range values {
		delete(w.written, v)
	}
}

func (w *scopeWorld) visit(s *sites.Site, x, patient string) {
	do(s, "INSERT INTO encounter (uuid, form, patient_id) VALUES ('"+x+"', 'v"+x+"', [person "+patient+"])",
		"INSERT INTO obs (uuid, value_text, person_id, encounter_id) VALUES ('"+x+"-obs', 'v"+x+"-obs', [person "+patient+"], [encounter "+x+"])",
		"INSERT INTO encounter_note (uuid, text, encounter_id) VALUES ('"+x+"-note', 'v"+x+"-note', [encounter "+x+"])")
	w.wrote(s, "v"+x, "v"+x+"-obs", "v"+x+"-note")
	w.belong(patient, "encounter/"+x, "obs/"+x+"-obs", "encounter_note/"+x+"-note")
}

func (w *scopeWorld) edit(s *sites.Site, table, column_, key, x string) {
	w.tell("%s: edit %s.%s of %s to v%s", s.Name, table, column_, key, x)
	w.over(column(w.t, s, "SELECT IFNULL("+column_+", '') FROM "+table+" WHERE uuid = '"+key+"'"))
	do(s, "UPDATE "+table+" SET "+column_+" = 'v"+x+"' WHERE uuid = '"+key+"'")
	w.wrote(s, "v"+x)
}

// move gives a patient the encounters that a condition chooses, with their observations.
func (w *scopeWorld) move(s *sites.Site, which, to string) {
	for _, u := range column(w.t, s, "SELECT e.uuid FROM encounter e JOIN person p ON p.person_id = e.patient_id WHERE "+which) {
		w.belong(to, "encounter/"+u)
		for _, o := range column(w.t, s, local(s, "SELECT uuid FROM obs WHERE encounter_id = [encounter "+u+"]")) {
			w.belong(to, "obs/"+o)
		}
		for _, o := range column(w.t, s, local(s, "SELECT uuid FROM encounter_note WHERE encounter_id = [encounter "+u+"]")) {
			w.belong(to, "encounter_note/"+o)
		}
		do(s, "UPDATE obs SET person_id = [person "+to+"] WHERE encounter_id = [encounter "+u+"]", "UPDATE encounter SET patient_id = [person "+to+"] WHERE uuid = '"+u+"'")
	}
}

// mergePatients does what OpenMRS does: what the loser had becomes the winner's, names are copied, relationships made anew and voided, and the
// loser is voided.
func (w *scopeWorld) mergePatients(s *sites.Site, winner, loser, x string) {
	w.tell("%s: merge %s into %s", s.Name, loser, winner)
	w.move(s, "p.uuid = '"+loser+"'", winner)
	for _, o := range column(w.t, s, local(s, "SELECT uuid FROM obs WHERE person_id = [person "+loser+"]")) {
		w.belong(winner, "obs/"+o)
	}
	do(s, "UPDATE obs SET person_id = [person "+winner+"] WHERE person_id = [person "+loser+"]",
		"INSERT INTO person_name (uuid, given_name, person_id) VALUES ('"+x+"-name', 'v"+x+"-name', [person "+winner+"])")
	w.wrote(s, "v"+x+"-name")
	w.belong(winner, "person_name/"+x+"-name")
	for _, c := range [][2]string{{"person_a", "person_b"}, {"person_b", "person_a"}} {
		query := "SELECT CONCAT(r.uuid, ' ', o.uuid) FROM relationship r JOIN person o ON o.person_id = r." + c[1] + " WHERE r." + c[0] + " = [person " + loser + "] AND kind = 'sister' ORDER BY 1"
		for i, pair := range column(w.t, s, local(s, query)) {
			old, other, _ := strings.Cut(pair, " ")
			if other == winner {
				continue
			}
			u := fmt.Sprintf("%s-%s-%d", x, c[0], i)
			do(s, "INSERT INTO relationship (uuid, kind, "+c[0]+", "+c[1]+") VALUES ('"+u+"', 'sister', [person "+winner+"], [person "+other+"])",
				"UPDATE relationship SET kind = 'voided' WHERE uuid = '"+old+"'")
			w.belong(winner, "relationship/"+u)
			w.belong(other, "relationship/"+u)
		}
	}
	w.over(column(w.t, s, local(s, "SELECT IFNULL(status, '') FROM patient WHERE patient_id = [person "+loser+"]")))
	do(s, "UPDATE patient SET status = 'v"+x+"-voided' WHERE patient_id = [person "+loser+"]")
	w.wrote(s, "v"+x+"-voided")
}

// finish lets all exchange, a day later, until nobody has anything to send.
func (w *scopeWorld) finish() {
	w.tell("--- all exchange")
	for _, s := range w.all {
		s.SetClock(25 * time.Hour)
	}
	for range 40 {
		sent := 0
		for _, a := range w.all {
			for _, b := range w.all {
				if w.parents[a] != b && w.parents[b] != a {
					continue
				}
				for _, f := range a.Export(b) {
					sent++
					w.look(f)
					w.deliver(f)
				}
			}
		}
		if sent == 0 {
			return
		}
	}
	w.t.Error("it goes on and on")
}

// values adds what a site holds of values: in its rows, its conflicts, and what waits.
func (w *scopeWorld) values(s *sites.Site, into map[string]bool) {
	for _, query := range []string{"SELECT gender FROM person", "SELECT city FROM person", "SELECT status FROM patient", "SELECT given_name FROM person_name", "SELECT form FROM encounter",
		"SELECT value_text FROM obs", "SELECT text FROM encounter_note", "SELECT CONVERT(value USING utf8mb4) FROM omsync_conflict"} {
		for _, r := range s.Query(query) {
			into[r[0]] = true
		}
	}
	for _, r := range s.Query("SELECT CONVERT(content USING utf8mb4) FROM omsync_waiting") {
		for _, part := range strings.Split(r[0], `"`) {
			into[part] = true
		}
	}
}

// lost makes sure that everything that was written is at the hub, or in a conflict there.
func (w *scopeWorld) lost() {
	held := map[string]bool{}
	w.values(w.hub, held)
	for v, at := range w.written {
		if !held[v] {
			w.t.Errorf("%s was written at %s, nobody who saw it wrote over it, and the hub has it neither in its rows nor among its conflicts", v, at)
		}
	}
}

// ownersIn says of each row of a dump whose it is, by references alone.
func ownersIn(d sites.Dumped) func(table, key string) []string {
	var of func(table, key string) []string
	person := func(key string) []string {
		if d["patient"][key] == nil {
			return nil
		}
		return []string{key}
	}
	of = func(table, key string) []string {
		r := d[table][key]
		switch table {
		case "person", "patient":
			return person(key)
		case "person_name":
			return person(r["person_id"])
		case "obs":
			return person(r["person_id"])
		case "encounter":
			return person(r["patient_id"])
		case "encounter_note":
			return of("encounter", r["encounter_id"])
		case "relationship":
			a, b := person(r["person_a"]), person(r["person_b"])
			return append(slices.Clone(a), b...)
		}
		return nil
	}
	return of
}

// allowed returns what says of a row of a dump whether a child may have it, by whom its parent lists in its scope.
func (w *scopeWorld) allowed(child *sites.Site, d sites.Dumped) func(table, key string) bool {
	parent := w.parents[child]
	in := map[string]bool{}
	own := column(w.t, parent, "SELECT s.own FROM omsync_scope_peer s JOIN omsync_peer p ON p.id = s.peer_id WHERE p.name = '"+child.Name+"'")
	for _, o := range column(w.t, parent, "SELECT s.owner_key FROM omsync_scope s JOIN omsync_peer p ON p.id = s.peer_id WHERE s.since > 0 AND p.name = '"+child.Name+"'") {
		in[o] = true
	}
	of := ownersIn(d)
	var may func(table, key string) bool
	may = func(table, key string) bool {
		if len(own) == 0 || own[0] == "0" || table == "concept" || table == "users" {
			return true
		}
		owners := of(table, key)
		for _, o := range owners {
			if !in[o] {
				return false
			}
		}
		if e := d[table][key]["encounter_id"]; table == "obs" && e != "" && !may("encounter", e) {
			return false // it waits at the child
		}
		return len(owners) > 0
	}
	return may
}

// parted reports whether a row was ever made to belong to several patients, one of whom ever left a child's scope: it may have stayed there
// as it was.
func (w *scopeWorld) parted(child *sites.Site, table, key string) bool {
	all := w.ever[table+"/"+key]
	for o := range all {
		if len(all) > 1 && w.left[child.Name][o] {
			return true
		}
	}
	return false
}

// compare makes sure that a child holds as its parent does what it may have, and that all it made is at the parent.
func (w *scopeWorld) compare() {
	w.t.Helper()
	dumps := map[*sites.Site]sites.Dumped{}
	for _, s := range w.all {
		dumps[s] = s.Dump()
		for _, r := range s.Query("SELECT text FROM omsync_waiting WHERE lost = 0") {
			w.tell("at %s waits: %s", s.Name, r[0])
		}
	}
	compared := 0
	for child, parent := range w.parents {
		mayHere, mayThere := w.allowed(child, dumps[parent]), w.allowed(child, dumps[child])
		for _, x := range []struct {
			from, to *sites.Site
			may      func(table, key string) bool
			other    func(table, key string) bool
		}{{parent, child, mayHere, mayThere}, {child, parent, mayThere, mayHere}} {
			for table, rows := range dumps[x.from] {
				for key, row := range rows {
					there := dumps[x.to][table][key]
					if !x.may(table, key) || there != nil && !x.other(table, key) && table == "obs" || w.parted(child, table, key) {
						continue
					}
					compared++
					if fmt.Sprint(there) != fmt.Sprint(row) {
						w.t.Errorf("%s %s is %v at %s, and %v at %s", table, key, row, x.from.Name, there, x.to.Name)
					}
				}
			}
		}
	}
	if compared < 50 {
		w.t.Errorf("only %d rows were compared", compared)
	}
}
