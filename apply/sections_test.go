package apply_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sites"
)

// TestSections lets a hub and five clinics work at random, with bases that differ, files that are lost, rows that several of them changed, and
// deletions. Each file of the hub is made twice, with sections and without: both hold the same rows with the same values and versions. Those
// with sections are applied, no row of them waits, and in the end all hold the same. OMSYNC_SEED and OMSYNC_ROUNDS are as for TestRandom.
func TestSections(t *testing.T) {
	seed, rounds := number(t, "OMSYNC_SEED", 1), number(t, "OMSYNC_ROUNDS", 60)
	rng := rand.New(rand.NewPCG(seed, 86))
	hub, all := sectionHub(t, 5)
	hub.Sections = export.NewSections(1 << 20).Always()
	n, withSections, ahead, short := 0, 0, 0, 0
	t.Logf("OMSYNC_SEED=%d", seed)
	for range rounds {
		for range 1 + rng.IntN(3) {
			n++
			s := all[rng.IntN(len(all))]
			s.Exec(sectionWork(rng, n)...)
			if s != hub && rng.IntN(4) > 0 {
				s.Send(hub)
			}
		}
		clinic := all[1+rng.IntN(5)]
		hub.Seal()
		for _, f := range bothWays(t, hub, clinic) {
			_, in := contents(t, hub, f)
			if in.sections > 0 {
				withSections++
				short += in.short
			}
			ahead += in.twice
			if rng.IntN(3) == 0 {
				continue // it is lost
			}
			if r := clinic.Import(f); r.Outcome != apply.Applied && r.Outcome != apply.Covered {
				t.Fatalf("%s: %s: %s", f.Name, r.Outcome, r.Why)
			}
		}
	}
	sites.Exchange(all...)
	for _, s := range all[1:] {
		sites.Same(t, hub, s)
	}
	t.Logf("%d files with sections, %d rows came twice, %d were named short", withSections, ahead, short)
	if withSections < int(rounds)/4 || short == 0 {
		t.Error("too few to tell anything")
	}
}

// bothWays has a hub export to a clinic without sections and with them. Both hold the same. It returns the files with sections.
func bothWays(t *testing.T, hub, clinic *sites.Site) []*sites.File {
	t.Helper()
	made := [2][]*sites.File{}
	for i := range made {
		made[i] = hub.Export(clinic, func(o *export.Options) {
			if i == 0 {
				o.Sections = nil
			}
		})
	}
	if len(made[1]) == 0 && len(made[0]) == 1 && made[0][0].Made.Rows+made[0][0].Made.Deletions == 0 {
		return nil // a header, which is due once
	}
	if len(made[0]) != len(made[1]) {
		t.Fatalf("%d files, with sections %d", len(made[0]), len(made[1]))
	}
	for i, f := range made[1] {
		want, _ := contents(t, hub, made[0][i])
		got, _ := contents(t, hub, f)
		for _, row := range slices.Sorted(maps.Keys(want)) {
			if !got[row] {
				t.Fatalf("%s with sections lacks\n%s", f.Name, row)
			}
		}
		for _, row := range slices.Sorted(maps.Keys(got)) {
			if !want[row] {
				t.Fatalf("%s with sections has besides\n%s", f.Name, row)
			}
		}
	}
	return made[1]
}

// sectionHub makes a hub and so many clinics that are in step.
func sectionHub(t *testing.T, clinics int) (hub *sites.Site, all []*sites.Site) {
	hub = sites.New(t, "hub", "none", differingTables[:9]...)
	hub.Exec("INSERT INTO place (name, uuid) VALUES ('ward', 'ward'), ('lab', 'lab')")
	hub.Init()
	all = []*sites.Site{hub}
	for i := range clinics {
		s := sites.New(t, fmt.Sprintf("clinic-%d", i), "none", differingTables[:9]...)
		s.SetOffset(int64(1000 * (i + 1)))
		s.Init()
		hub.Connect(s)
		all = append(all, s)
	}
	sites.Exchange(all...)
	return hub, all
}

// seePeople has an application see new people, four rows for each.
func seePeople(s *sites.Site, first, n int) {
	for i := first; i < first+n; i++ {
		s.Exec(fmt.Sprintf("INSERT INTO person (name, uuid) VALUES ('name', 'p-%d')", i), "INSERT INTO patient (patient_id) VALUES (LAST_INSERT_ID())",
			fmt.Sprintf("INSERT INTO visit (patient_id, place_id, uuid) SELECT p.person_id, l.place_id, 'v-%d' FROM person p JOIN place l ON l.uuid = 'lab' WHERE p.uuid = 'p-%[1]d'", i),
			fmt.Sprintf("INSERT INTO encounter (visit_id, person_id, uuid) SELECT visit_id, patient_id, 'e-%d' FROM visit WHERE uuid = 'v-%[1]d'", i))
	}
	s.Seal()
}

// Few children are sent no sections, nor are few rows, nor is a child whose program does not read them; and all of these are sent the same.
func TestWhoIsSentSections(t *testing.T) {
	hub, all := sectionHub(t, 4)
	hub.Sections = export.NewSections(1 << 20)
	old := all[2]
	old.Features = slices.DeleteFunc(features.Present(), func(f features.Feature) bool { return f.Name == features.Sections })
	old.Exec("INSERT INTO place (name, uuid) VALUES ('hall', 'hall')")
	old.Send(hub)
	sections := func(clinic *sites.Site) (n int) {
		t.Helper()
		for _, f := range bothWays(t, hub, clinic) {
			_, in := contents(t, hub, f)
			n += in.sections
		}
		return n
	}
	seePeople(hub, 1, 20)
	if n := sections(all[1]); n != 0 {
		t.Errorf("80 rows go in %d sections", n)
	}
	seePeople(hub, 100, 80)
	if n := sections(all[1]); n == 0 {
		t.Error("400 rows go without sections")
	}
	if n := sections(old); n != 0 {
		t.Errorf("who does not read sections is sent %d", n)
	}
	hub.Exec("UPDATE omsync_peer SET state = 'suspended' WHERE name = 'clinic-3'")
	seePeople(hub, 200, 1) // what was read of the peers counts until something changes
	if n := sections(all[1]); n != 0 {
		t.Errorf("three children are sent %d sections", n)
	}
}

// A section names no row that is gone by now, and goes by the columns and the history of the node as they are.
func TestSectionsAreMadeAnew(t *testing.T) {
	hub, all := sectionHub(t, 5)
	hub.Sections = export.NewSections(1 << 20).Always()
	seePeople(hub, 1, 3)
	bothWays(t, hub, all[1])
	before := hub.Sections.Bytes()
	bothWays(t, hub, all[2])
	if hub.Sections.Bytes() != before {
		t.Error("the same rows are made again for another child")
	}
	hub.Exec("SET foreign_key_checks = 0", "DELETE FROM place WHERE uuid = 'lab'", "SET foreign_key_checks = 1")
	hub.Seal()
	bothWays(t, hub, all[3])
	hub.Exec("ALTER TABLE visit ADD note VARCHAR(20) NULL")
	hub.Follow()
	bothWays(t, hub, all[4])
	hub.Exec("UPDATE omsync_node SET history = history + 1 WHERE id = 1", "UPDATE visit SET note = 'x'")
	hub.Seal()
	bothWays(t, hub, all[5])
}

// sectionWork is what an application does.
func sectionWork(rng *rand.Rand, n int) (out []string) {
	pick := func(table, what string) string {
		return fmt.Sprintf("(SELECT %s FROM %s ORDER BY CRC32(CONCAT(uuid, '%d')) LIMIT 1)", what, table, n)
	}
	uuid := func(table string) string {
		h := md5.Sum(fmt.Append(nil, table, n))
		return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:])
	}
	switch rng.IntN(7) {
	case 0, 1: // somebody comes
		out = append(out, fmt.Sprintf("INSERT INTO person (name, uuid) VALUES ('name %d', '%s')", n, uuid("p")),
			fmt.Sprintf("INSERT INTO patient (patient_id, note) SELECT person_id, 'new' FROM person WHERE uuid = '%s'", uuid("p")),
			fmt.Sprintf("INSERT INTO place (name, uuid) VALUES ('place %d', '%s')", n, uuid("pl")),
			fmt.Sprintf("INSERT INTO visit (patient_id, place_id, uuid) SELECT p.person_id, l.place_id, '%s' FROM person p, place l WHERE p.uuid = '%s' AND l.uuid = '%s'", uuid("v"), uuid("p"), uuid("pl")),
			fmt.Sprintf("INSERT INTO encounter (visit_id, person_id, uuid) SELECT v.visit_id, v.patient_id, '%s' FROM visit v WHERE uuid = '%s'", uuid("e"), uuid("v")))
		fallthrough
	case 2: // ... or is seen again
		out = append(out, fmt.Sprintf("INSERT INTO encounter (visit_id, person_id, uuid) SELECT v.visit_id, v.patient_id, '%s' FROM visit v WHERE v.visit_id = %s", uuid("again"), pick("visit", "visit_id")),
			fmt.Sprintf("INSERT INTO obs (person_id, encounter_id, value, uuid) SELECT e.person_id, e.encounter_id, %d, '%s' FROM encounter e WHERE e.encounter_id = %s", n, uuid("o"), pick("encounter", "encounter_id")))
	case 3:
		out = append(out, fmt.Sprintf("UPDATE person SET note = 'note %d' ORDER BY CRC32(CONCAT(uuid, '%[1]d')) LIMIT 1", n))
	case 4:
		out = append(out, fmt.Sprintf("UPDATE visit SET stop = '2026-01-01' + INTERVAL %d SECOND ORDER BY CRC32(CONCAT(uuid, '%[1]d')) LIMIT 1", n))
	case 5:
		out = append(out, fmt.Sprintf("UPDATE encounter SET form = 'form %d' ORDER BY CRC32(CONCAT(uuid, '%[1]d')) LIMIT 2", n))
	case 6:
		out = append(out, fmt.Sprintf("DELETE FROM obs ORDER BY CRC32(CONCAT(uuid, '%d')) LIMIT 1", n))
		if rng.IntN(4) == 0 {
			out = append(out, fmt.Sprintf("INSERT INTO tag (tag) VALUES ('tag %d')", n))
		}
	}
	return out
}

// counted is how many sections a file has, how many rows stand in it more than once, and how many are named short.
type counted struct{ sections, twice, short int }

// contents reads what a file of a hub says of rows, each as one text.
func contents(t *testing.T, hub *sites.Site, f *sites.File) (rows map[string]bool, in counted) {
	t.Helper()
	r, err := batch.Open(bytes.NewReader(f.Data), int64(len(f.Data)), func(*batch.Header, []byte, []byte) error { return nil }, func(r io.Reader) (io.Reader, error) { return r, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.TakeShort(func(table string, prefixes [][]byte) (keys [][]byte, err error) {
		in.short += len(prefixes)
		for _, p := range prefixes {
			keys = append(keys, []byte(fmt.Sprint(hub.Query(fmt.Sprintf("SELECT uuid FROM %s WHERE uuid LIKE '%s%%'", table, p))[0][0])))
		}
		return keys, nil
	})
	rows = map[string]bool{}
	tables, dict := map[uint32]batch.Table{}, []string{"NULL", "nowhere"}
	value := func(v batch.Values, i int) string {
		switch {
		case v.Refs != nil && v.Refs[i] != batch.RefNull:
			return "-> " + dict[v.Refs[i]]
		case v.Bytes == nil || v.Bytes[i] == nil:
			return "NULL"
		}
		return fmt.Sprintf("%q", v.Bytes[i])
	}
	add := func(format string, args ...any) {
		s := fmt.Sprintf(format, args...)
		if rows[s] {
			in.twice++
		}
		rows[s] = true
	}
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, in
		}
		if err != nil {
			t.Fatal(err)
		}
		switch b := item.(type) {
		case *batch.SectionItem:
			in.sections++
			tables, dict = map[uint32]batch.Table{}, dict[:2]
		case *batch.ResetItem:
			dict = dict[:2]
		case *batch.TableItem:
			tables[b.Number] = b.Table
		case *batch.KeysItem:
			for i := range b.N {
				key := tables[b.Table].Root
				for _, p := range b.Parts {
					key += " " + value(p, i)
				}
				dict = append(dict, key)
			}
		case *batch.Deletions:
			for i, k := range b.Keys {
				add("delete %s %s: %d %s %d", tables[b.Table].Name, dict[k], b.Times[i], b.Authors[i], b.Epochs[i])
			}
		case *batch.Records:
			for i, k := range b.Keys {
				add("record %s %s %s %q %d %s", tables[b.Table].Name, dict[k], b.Columns[i], b.Values[i], b.LostTimes[i], b.LostAuthors[i])
			}
		case *batch.Rows:
			at := 0
			for i, k := range b.Keys {
				var columns, groups []string
				for c, v := range b.Columns {
					columns = append(columns, tables[b.Table].Columns[c].Name+" "+value(v, i))
				}
				count := 1
				if b.Groups != nil {
					count = b.Groups[i]
				}
				for range count {
					groups = append(groups, fmt.Sprintf("%x %d %s %d", b.Masks[at], b.Times[at], b.Authors[at], b.Epochs[at]))
					at++
				}
				slices.Sort(groups)
				ack := "as the header"
				if b.Acks != nil && b.Acks[i] != r.Header().Ack.Epoch {
					ack = fmt.Sprint(b.Acks[i])
				}
				add("%s %s: %s; %s; %s", tables[b.Table].Name, dict[k], strings.Join(columns, ", "), strings.Join(groups, ", "), ack)
			}
		}
	}
}
