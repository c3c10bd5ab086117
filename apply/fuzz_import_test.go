package apply_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	forged "github.com/omsync/omsync/internal/forge"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/merge"
)

// forms are the tables of wards, as a clinic describes them.
var forms = []forged.Form{
	{Name: "ward", Key: []any{forged.Column("uuid", batch.KindText, false, 0)}, Columns: []any{forged.Column("name", batch.KindText, false, 1),
		forged.Column("size", batch.KindBytes, false, 2), forged.Column("code", batch.KindText, false, 3), forged.Column("opened", batch.KindBytes, false, 4)}},
	{Name: "bed", Key: []any{forged.Column("uuid", batch.KindText, false, 0)}, Columns: []any{forged.Column("label", batch.KindText, false, 1), forged.Column("ward_id", batch.KindBytes, true, 2)}},
	{Name: "tag", Key: []any{forged.Column("ward_id", batch.KindBytes, true, 0), forged.Column("name", batch.KindText, false, 0)}, Columns: []any{forged.Column("note", batch.KindText, false, 1)}},
	{Name: "theatre", Key: []any{forged.Column("ward_id", batch.KindBytes, true, 0)}, Columns: []any{forged.Column("lamps", batch.KindBytes, false, 1)}},
}

// must not differ after an import that was rolled back; authors and what a header says may.
const mayDiffer = "omsync_peer omsync_import omsync_epoch omsync_node omsync_report"

// FuzzImport imports whole batches past their signature, with a clinic's valid keys, into a hub: any header, any items. Nothing panics;
// memory and time stay within bounds; of what is refused, and of a dry run, no row stays; of what is taken, the database is as it must be.
func FuzzImport(f *testing.F) {
	ward, reset := []byte{0, 0, 0}, []byte{0, 3}
	key := []byte{0, 1, 1, 0, 7, 0}                                                                                                             // of the ward w-1
	f.Add(uint16(0), slices.Concat(ward, key, []byte{0, 4, 1, 2, 6, 2, 1, 4, 7, 14, 0, 0, 0}), uint16(0))                                       // a row
	f.Add(uint16(1), slices.Concat(ward, key, []byte{0, 4, 1, 2, 6, 4, 1, 4, 7, 14, 0, 0, 0}, reset), uint16(50))                               // of the year 9999
	f.Add(uint16(0), slices.Concat(ward, []byte{0, 1, 250, 0, 3, 2, 1}, []byte{0, 4, 250, 2, 30, 2, 1, 4, 7, 14, 7, 5, 7, 9, 7, 8}), uint16(3)) // many rows
	f.Add(uint16(1), slices.Concat(ward, key, []byte{0, 5, 1, 2, 2, 1}), uint16(0))                                                             // a deletion
	f.Add(uint16(0), slices.Concat(ward, []byte{0, 1, 250, 0, 3, 2, 1}, []byte{0, 5, 250, 2, 2, 1}, reset), uint16(3))                          // of what was never here
	f.Add(uint16(0), slices.Concat(ward, key, []byte{0, 6, 1, 2, 7, 14, 2, 1, 2, 1, 2}), uint16(3))                                             // conflict records
	f.Add(uint16(0), slices.Concat(ward, []byte{0, 0, 1}, key, []byte{1, 1, 1, 0, 7, 2, 1, 4, 1, 3, 6, 2, 1, 2, 7, 14, 2, 2}), uint16(0))       // a reference
	f.Add(uint16(0x1ff), slices.Concat(ward, key), uint16(0))
	debug.SetMemoryLimit(128 << 20) // as the program does
	hub, stolen, honest := fuzzHub(f)
	f.Fuzz(func(t *testing.T, header uint16, ops []byte, again uint16) {
		if len(ops) > 400 {
			return
		}
		sites.Use(t, hub, stolen)
		asBefore(hub)
		h := *honest
		h.Upto.Token = rand.Uint64()
		tamper(&h, header)
		var data bytes.Buffer
		if err := forged.WritePlain(&data, &h, func(s *forged.Stream) {
			p := forged.Program{Tables: forms, Epoch: h.Upto.Epoch, Rows: 60} // the fuzzer gives an input 10 seconds
			p.Write(s, ops, int(again%20), 1<<20)
		}); err != nil {
			return // such a header is none
		}
		importOne(t, hub, data.Bytes(), header)
	})
}

// fuzzHub is a hub with a clinic whose keys are stolen, and the header of a file of that clinic.
func fuzzHub(f *testing.F) (hub, stolen *sites.Site, header *batch.Header) {
	hub, stolen = sites.New(f, "hub", "none", wards...), sites.New(f, "stolen", "none", wards...)
	stolen.SetOffset(200)
	hub.Exec("INSERT INTO ward (name, size, uuid) VALUES ('maternity', 1, 'w-1'), ('surgery', 2, 'w-2')", "INSERT INTO bed (ward_id, uuid) VALUES (2, 'b-1')")
	hub.Init()
	stolen.Init()
	hub.Connect(stolen)
	sites.Exchange(hub, stolen)
	stolen.Exec("UPDATE ward SET kind = 'a' WHERE uuid = 'w-1'")
	h, err := batch.ReadHeader(bytes.NewReader(stolen.Export(hub)[0].Data))
	if err != nil {
		f.Fatal(err)
	}
	hub.Exec("CREATE TABLE kept_peer AS SELECT * FROM omsync_peer", "CREATE TABLE kept_import AS SELECT * FROM omsync_import", "CREATE TABLE kept_node AS SELECT * FROM omsync_node WHERE id = 1")
	return hub, stolen, h
}

// asBefore takes back what imports did to the link, and most of the rows that they brought.
func asBefore(hub *sites.Site) {
	hub.Exec("DELETE FROM omsync_peer", "INSERT INTO omsync_peer SELECT * FROM kept_peer", "DELETE FROM omsync_import", "INSERT INTO omsync_import SELECT * FROM kept_import",
		"UPDATE omsync_node n JOIN kept_node k ON k.id = n.id SET n.history = k.history, n.earlier = k.earlier")
	if hub.One("SELECT COUNT(*) > 2000 FROM ward") == "1" {
		hub.Exec("DELETE FROM bed", "DELETE FROM tag", "DELETE FROM theatre", "DELETE FROM ward WHERE uuid <> 'w-1'")
		hub.Seal()
	}
}

// tamper changes what bits say of a header.
func tamper(h *batch.Header, bits uint16) {
	for i, change := range []func(){
		func() {}, // a dry run
		func() { h.Ack.Epoch += 1 << 40 },
		func() { h.Requests = append(h.Requests, "ward#1", "bed#18446744073709551615", "nowhere#3", "x") },
		func() { h.History++; h.Earlier = append(h.Earlier, h.History-1) },
		func() { h.Base = batch.Position{} },
		func() { h.Load, h.Part, h.Last = 7, 1, false },
		func() { h.Upto.Epoch = 1<<64 - 1 },
		func() { h.PeerLink++ },
		func() { h.Ahead, h.LoadHave, h.PartHave = true, 5, 6 },
		func() { h.Time = batch.MaxTime },
		func() { h.Missing = h.Upto },
	} {
		if bits>>i&1 == 1 {
			change()
		}
	}
}

// importOne imports a file, and looks at what it leaves.
func importOne(t *testing.T, hub *sites.Site, data []byte, bits uint16) {
	t.Helper()
	real, but := bits%2 == 0, mayDiffer
	if real && bits > 1 { // what a header asks for stays where its rows are refused: versions get other epochs
		but += " omsync_version omsync_tombstone omsync_table omsync_conflict"
	}
	before := checksum(hub, strings.Fields(but)...)
	debug.FreeOSMemory()
	peak := forged.Memory(t)
	begin := time.Now()
	r, err := hub.ImportErr(&sites.File{Name: "forged", Data: data}, signed, func(o *apply.Options) { o.DryRun = !real })
	took, held := time.Since(begin), peak()
	t.Logf("%d bytes of file, %d MiB of memory, %v: %+v, %v", len(data), held>>20, took, r, err)
	if held > 160<<20 {
		t.Errorf("%d MiB of memory, for %d bytes of file", held>>20, len(data))
	}
	if limit := 20*time.Second + time.Duration(len(data))*100*time.Microsecond; took > limit {
		t.Errorf("it took %s, for %d bytes of file", took, len(data))
	}
	if (r == nil) == (err == nil) {
		t.Errorf("a report of %+v, and %v", r, err)
	}
	if err != nil && (strings.Contains(err.Error(), "1064") || strings.Contains(err.Error(), "1054")) {
		t.Errorf("the file became a statement that the server does not understand: %v", err)
	}
	if !real || err != nil {
		if after := checksum(hub, strings.Fields(but)...); after != before {
			t.Errorf("something stays: %v\n%s\nand before\n%s", err, after, before)
		}
		return
	}
	limit := time.Now().Add(merge.DefaultHorizon + time.Hour).UnixMicro()
	for what, query := range invariants(limit) {
		if n := hub.One(query); n != "0" {
			t.Errorf("%s: %s", what, n)
		}
	}
}

// invariants are queries that count what must not be in a database.
func invariants(limit int64) map[string]string {
	return map[string]string{
		"a reference to no row":               "SELECT (SELECT COUNT(*) FROM bed LEFT JOIN ward USING (ward_id) WHERE ward.ward_id IS NULL) + (SELECT COUNT(*) FROM tag LEFT JOIN ward USING (ward_id) WHERE ward.ward_id IS NULL) + (SELECT COUNT(*) FROM theatre LEFT JOIN ward USING (ward_id) WHERE ward.ward_id IS NULL)",
		"a stamp beyond the horizon":          fmt.Sprintf("SELECT (SELECT COUNT(*) FROM omsync_version WHERE time > %d) + (SELECT COUNT(*) FROM omsync_tombstone WHERE time > %[1]d)", limit),
		"a column with two versions":          "SELECT COUNT(*) FROM omsync_version a JOIN omsync_version b ON a.table_id = b.table_id AND a.local_id = b.local_id AND a.local_key = b.local_key AND a.column_mask < b.column_mask AND a.column_mask & b.column_mask <> 0",
		"a version of a ward that is gone":    "SELECT COUNT(*) FROM omsync_version v JOIN omsync_table t ON t.id = v.table_id AND t.name = 'ward' LEFT JOIN ward ON ward_id = local_id WHERE ward_id IS NULL",
		"a deletion of a ward that is here":   "SELECT COUNT(*) FROM omsync_tombstone d JOIN omsync_table t ON t.id = d.table_id AND t.name = 'ward' JOIN ward ON uuid = row_key WHERE refused = 0",
		"a version without a known author":    "SELECT COUNT(*) FROM omsync_version LEFT JOIN omsync_node ON id = author WHERE id IS NULL",
		"a version of an epoch yet to come":   "SELECT COUNT(*) FROM omsync_version WHERE epoch > (SELECT MAX(id) FROM omsync_epoch)",
		"a version without a mask":            "SELECT COUNT(*) FROM omsync_version WHERE column_mask = 0",
		"a default version of an epoch ahead": "SELECT COUNT(*) FROM omsync_table WHERE default_mask IS NOT NULL AND default_epoch > (SELECT MAX(id) FROM omsync_epoch)",
	}
}
