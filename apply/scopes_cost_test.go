package apply_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/scope"
)

// cost is what a node's idle connections have done so far.
type cost struct{ reads, statements int64 }

func (a cost) minus(b cost) cost { return cost{a.reads - b.reads, a.statements - b.statements} }

// costOf sums up what the connections of a node's pool have read and been asked. None of them may end meanwhile.
func costOf(t *testing.T, s *sites.Site) (c cost) {
	t.Helper()
	ctx := context.Background()
	s.J.DB.SetMaxIdleConns(20)
	var held []*sql.Conn
	for range s.J.DB.Stats().Idle {
		conn, err := s.J.DB.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
		err = sqldb.Each(ctx, conn, "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler\\_read%' OR Variable_name = 'Questions'", func(r []sql.RawBytes) error {
			switch string(r[0]) {
			case "Questions":
				c.statements += sqldb.Int(r[1])
			case "Handler_read_retry", "Handler_read_rnd_deleted":
			default:
				c.reads += sqldb.Int(r[1])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, conn := range held {
		conn.Close()
	}
	return c
}

// during returns what a node's pool did while f ran, without what counting costs.
func during(t *testing.T, s *sites.Site, f func()) cost {
	t.Helper()
	a := costOf(t, s)
	b := costOf(t, s)
	f()
	return costOf(t, s).minus(b).minus(b.minus(a))
}

// hubOf makes a hub with so many patients, p1 and so on, each of whom has six rows.
func hubOf(t *testing.T, patients int) *scoped {
	t.Helper()
	n := &scoped{t: t, hub: scopedSite(t, "hub", careProfile, careTables("1"))}
	n.hub.Listens = false
	n.hub.Exec("INSERT INTO person (person_id, uuid) VALUES (1, 'p1')")
	for have := 1; have < patients; have *= 2 {
		n.hub.Exec(fmt.Sprintf("INSERT INTO person (person_id, uuid) SELECT person_id + %[1]d, CONCAT('p', person_id + %[1]d) FROM person WHERE person_id <= %[2]d", have, min(have, patients-have)))
	}
	n.hub.Exec("INSERT INTO patient (patient_id) SELECT person_id FROM person",
		"INSERT INTO person_name (uuid, person_id) SELECT CONCAT(uuid, '-name'), person_id FROM person",
		"INSERT INTO encounter (uuid, patient_id) SELECT CONCAT(uuid, '-visit'), person_id FROM person",
		"INSERT INTO obs (uuid, person_id, encounter_id) SELECT CONCAT(e.uuid, '-obs'), e.patient_id, e.encounter_id FROM encounter e",
		"INSERT INTO encounter_note (uuid, encounter_id) SELECT CONCAT(e.uuid, '-note'), e.encounter_id FROM encounter e")
	n.hub.Init()
	n.all = append(n.all, n.hub)
	return n
}

// everyTenth is a tenth of the patients of such a hub, and everybody.
func everyTenth(patients int) (tenth, all []scope.Owner) {
	for i := range patients {
		o := scope.Owner(fmt.Sprintf("p%d", 1+i))
		if all = append(all, o); i%10 == 0 {
			tenth = append(tenth, o)
		}
	}
	return tenth, all
}

// manyPatients makes a hub with so many patients, of whom a tenth is in the scope of kisumu, and returns what exports to it cost.
func manyPatients(t *testing.T, patients int) (load, edit, enters cost, rows int64) {
	t.Helper()
	n := hubOf(t, patients)
	k := n.below(n.hub, "kisumu")
	in, _ := everyTenth(patients)
	n.own(n.hub, k, in...)
	n.send(k, n.hub, sites.Full)
	var files []*sites.File
	export := func() cost {
		return during(t, n.hub, func() { files = n.hub.Export(k) })
	}
	load = export()
	for _, f := range files {
		n.look(f)
		rows += f.Made.Rows
		k.Import(f)
	}
	n.exchange()
	do(n.hub, "UPDATE obs SET value_text = '62' WHERE uuid IN ('p1-visit-obs', 'p2-visit-obs')")
	edit = export()
	if len(files) != 1 || files[0].Made.Rows != 1 {
		t.Fatalf("after two edits %d files", len(files))
	}
	for _, f := range files {
		n.look(f)
		k.Import(f)
	}
	n.exchange()
	n.admit(n.hub, k, "p5")
	enters = export()
	if len(files) != 1 || files[0].Made.Rows != 6 {
		t.Fatalf("when somebody enters %d files, %+v", len(files), files)
	}
	return load, edit, enters, rows
}

// What an export to a child with a scope costs follows the scope and what changed, and not how many patients there are.
func TestScopeCost(t *testing.T) {
	t.Parallel()
	small := environment(t, "OMSYNC_TEST_PATIENTS", 200)
	load, edit, enters, rows := manyPatients(t, small)
	t.Logf("%d patients, a tenth in scope: load of %d rows %+v, an edit %+v, one enters %+v", small, rows, load, edit, enters)
	load4, edit4, enters4, rows4 := manyPatients(t, 4*small)
	t.Logf("%d patients, a tenth in scope: load of %d rows %+v, an edit %+v, one enters %+v", 4*small, rows4, load4, edit4, enters4)
	for _, c := range []struct {
		what string
		a, b cost
	}{{"an edit", edit, edit4}, {"one enters", enters, enters4}} {
		if c.b.reads > c.a.reads+c.a.reads/4 || c.b.statements > c.a.statements+5 {
			t.Errorf("%s: with four times the patients %+v instead of %+v", c.what, c.b, c.a)
		}
	}
	if rows4 != 4*rows || load4.reads > 5*load.reads {
		t.Errorf("the load of a scope four times as large: %d rows and %+v, instead of %d and %+v", rows4, load4, rows, load)
	}
	if per := load4.reads / rows4; per > 30 {
		t.Errorf("a load reads %d rows and entries of indexes for each that it sends", per)
	}
}

// The first load of a child that may have a tenth of the patients is a tenth of the full one, and what it costs is in proportion, also where it may
// have most or all of them; and what a file with one edit costs does not grow with the scope.
//
//	OMSYNC_TEST_PATIENTS=20000 go test -v -timeout 1h -run TestScopeFirstLoad ./apply
func TestScopeFirstLoad(t *testing.T) {
	t.Parallel()
	patients := environment(t, "OMSYNC_TEST_PATIENTS", 400)
	n := hubOf(t, patients)
	tenth, all := everyTenth(patients)
	most := slices.DeleteFunc(slices.Clone(all), func(o scope.Owner) bool { return slices.Contains(tenth, o) })
	type made struct {
		rows, bytes int64
		load, edit  cost
	}
	var of []made
	for _, c := range []struct {
		name string
		in   []scope.Owner
	}{{"tenth", tenth}, {"most", most}, {"all", all}, {"whole", nil}} {
		k := n.below(n.hub, c.name)
		if c.in != nil {
			n.own(n.hub, k, c.in...)
		}
		n.send(k, n.hub, sites.Full)
		var m made
		var files []*sites.File
		began := time.Now()
		m.load = during(t, n.hub, func() { files = n.hub.Export(k) })
		exported := time.Since(began)
		began = time.Now()
		for _, f := range files {
			k.Import(f)
			m.rows, m.bytes = m.rows+f.Made.Rows, m.bytes+int64(len(f.Data))
		}
		imported := time.Since(began)
		n.send(k, n.hub)
		who := scope.Owner("p1")
		if c.in != nil {
			who = c.in[0]
		}
		do(n.hub, fmt.Sprintf("UPDATE obs SET value_text = '%s' WHERE uuid = '%s-visit-obs'", c.name, who))
		m.edit = during(t, n.hub, func() { files = n.hub.Export(k) })
		if len(files) != 1 || files[0].Made.Rows != 1 {
			t.Fatalf("%s: after an edit %d files", c.name, len(files))
		}
		of = append(of, m)
		t.Logf("%s of %d patients: %d rows, %d bytes, export %v, import %v, %+v; an edit %+v", c.name, patients, m.rows, m.bytes, exported.Round(time.Millisecond), imported.Round(time.Millisecond), m.load, m.edit)
	}
	scoped, nine, every, whole := of[0], of[1], of[2], of[3]
	if want := int64(6 * len(tenth)); scoped.rows != want || nine.rows != int64(6*len(most)) || every.rows != whole.rows || whole.rows != 6*int64(patients) {
		t.Errorf("%d rows for a tenth, %d for all others, %d for all, %d without a scope; want %d, %d and %d", scoped.rows, nine.rows, every.rows, whole.rows, want, 6*len(most), 6*patients)
	}
	if scoped.bytes > whole.bytes/5+1024 { // what each file has besides rows
		t.Errorf("the load of a tenth has %d bytes, that of all %d", scoped.bytes, whole.bytes)
	}
	large := patients >= 5000 // of few rows, servers read all where they find that cheaper
	if large && (scoped.load.reads > whole.load.reads || every.load.reads > 3*whole.load.reads || nine.load.reads > 3*whole.load.reads) {
		t.Errorf("the load of a tenth reads %d rows, that of all others %d, that of all %d, and that without a scope %d", scoped.load.reads, nine.load.reads, every.load.reads, whole.load.reads)
	}
	if large && every.edit.reads > scoped.edit.reads+scoped.edit.reads/4 || every.edit.statements > scoped.edit.statements+5 {
		t.Errorf("a file with one edit costs %+v with a tenth in scope, %+v with all", scoped.edit, every.edit)
	}
}
