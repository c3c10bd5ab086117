package apply_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

var (
	uuidKey = []batch.Column{{Name: "uuid", Kind: batch.KindText}}
	named   = batch.Table{Name: "ward", Root: "ward", Key: uuidKey, Columns: []batch.Column{{Name: "name", Slot: 1}}}
)

// wardNetwork is a hub with two clinics that hold the same: an honest one, and one that is stolen, with its keys. A batch of the
// stolen one is there for forging.
func wardNetwork(t *testing.T) (hub, honest, stolen *sites.Site, next *sites.File) {
	t.Helper()
	hub, honest, stolen = sites.New(t, "hub", "none", wards...), sites.New(t, "honest", "none", wards...), sites.New(t, "stolen", "none", wards...)
	honest.SetOffset(100)
	stolen.SetOffset(200)
	hub.Exec("INSERT INTO ward (name, size, uuid) VALUES ('maternity', 1, 'w-1'), ('surgery', 2, 'w-2')", "INSERT INTO bed (ward_id, uuid) VALUES (2, 'b-1')")
	for _, s := range []*sites.Site{hub, honest, stolen} {
		s.Init()
	}
	hub.Connect(honest)
	hub.Connect(stolen)
	sites.Exchange(hub, honest, stolen)
	hub.Exec("UPDATE ward SET kind = 'b' WHERE uuid = 'w-2'")
	hub.Send(stolen)
	stolen.Exec("UPDATE ward SET kind = 'a' WHERE uuid = 'w-1'")
	return hub, honest, stolen, stolen.Export(hub)[0]
}

// exchangeGoesOn has the honest clinic and the hub change what they share, under the eyes of the stolen one's refused file.
func exchangeGoesOn(t *testing.T, hub, honest *sites.Site) {
	t.Helper()
	for i := range 3 {
		honest.Exec(fmt.Sprintf("UPDATE ward SET size = %d WHERE uuid = 'w-1'", 10+i), "INSERT INTO ward (name, uuid) VALUES ('new', UUID())")
		sites.Exchange(hub, honest)
		hub.Exec(fmt.Sprintf("UPDATE ward SET name = 'from hub %d' WHERE uuid = 'w-1'", i))
		sites.Exchange(hub, honest)
	}
	sites.Same(t, hub, honest)
	sites.Quiet(t, hub, honest)
}

// stamped writes rows of wards with one stamp for all.
func stamped(time int64, keys ...string) func(w *batch.Writer) error {
	return func(w *batch.Writer) error {
		n, err := w.Table(named)
		if err != nil {
			return err
		}
		for block := range slices.Chunk(keys, batch.MaxBlockRows) {
			var of, values batch.Values
			for _, k := range block {
				of.Bytes, values.Bytes = append(of.Bytes, []byte(k)), append(values.Bytes, []byte("frozen"))
			}
			first, err := w.Keys(n, []batch.Values{of})
			if err != nil {
				return err
			}
			r := &batch.Rows{Table: n, Columns: []batch.Values{values}}
			for i := range block {
				r.Keys, r.Groups = append(r.Keys, first+uint32(i)), append(r.Groups, 2)
				r.Masks, r.Times = append(r.Masks, 1, 2), append(r.Times, 5, time)
				r.Authors, r.Epochs = append(r.Authors, "stolen", "stolen"), append(r.Epochs, 1000, 1000)
			}
			if err := w.Rows(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// gone writes deletions of wards with one stamp for all.
func gone(time int64, keys ...string) func(w *batch.Writer) error {
	return func(w *batch.Writer) error {
		n, err := w.Table(batch.Table{Name: "ward", Root: "ward", Key: uuidKey})
		if err != nil {
			return err
		}
		var of batch.Values
		for _, k := range keys {
			of.Bytes = append(of.Bytes, []byte(k))
		}
		first, err := w.Keys(n, []batch.Values{of})
		if err != nil {
			return err
		}
		d := &batch.Deletions{Table: n}
		for i := range keys {
			d.Keys, d.Times = append(d.Keys, first+uint32(i)), append(d.Times, time)
			d.Authors, d.Epochs = append(d.Authors, "stolen"), append(d.Epochs, 1000)
		}
		return w.Deletions(d)
	}
}

// TestStampsThatNoClockGives sends a hub, with a clinic's valid keys, rows and deletions that nothing could ever replace.
func TestStampsThatNoClockGives(t *testing.T) {
	hub, honest, stolen, f := wardNetwork(t)
	var many []string
	for i := range 30_000 {
		many = append(many, fmt.Sprintf("n-%05d", i))
	}
	late := time.Now().Add(merge.DefaultHorizon + time.Hour).UnixMicro()
	acked := hub.Peer(stolen).Link.Acked.Epoch
	for _, c := range []struct {
		name, row string
		items     func(w *batch.Writer) error
	}{
		{"a row of the hub's", "w-1", stamped(batch.MaxTime, "w-1")},
		{"30,000 new rows", "n-00000", stamped(batch.MaxTime, many...)},
		{"a row among others", "w-2", func(w *batch.Writer) error {
			if err := stamped(time.Now().UnixMicro(), "w-1", "n-1")(w); err != nil {
				return err
			}
			first, err := w.Keys(0, []batch.Values{{Bytes: [][]byte{[]byte("w-2")}}})
			if err != nil {
				return err
			}
			return w.Rows(&batch.Rows{Table: 0, Keys: []uint32{first}, Columns: []batch.Values{{Bytes: [][]byte{[]byte("frozen")}}},
				Masks: []uint64{3}, Times: []int64{batch.MaxTime}, Authors: []string{"stolen"}, Epochs: []uint64{1000}})
		}},
		{"a deletion of what nothing refers to", "w-1", gone(batch.MaxTime, "w-1")},
		{"a deletion of what is referred to", "w-2", gone(batch.MaxTime, "w-2")},
		{"a deletion of what was never here", "n-1", gone(batch.MaxTime, "n-1")},
		{"a stamp just beyond what is taken", "w-1", stamped(late, "w-1")},
	} {
		t.Run(c.name, func(t *testing.T) {
			sites.Use(t, hub, honest, stolen)
			but := "omsync_peer omsync_import omsync_epoch omsync_node" // names of authors stay
			before := checksum(hub, strings.Fields(but)...)
			forged := forge(t, f, c.items)
			start := time.Now()
			r, err := hub.ImportErr(forged, signed)
			t.Logf("%d bytes, refused after %v", len(forged.Data), time.Since(start).Round(time.Millisecond))
			if err == nil {
				t.Fatalf("%+v, want an error", r)
			}
			for _, want := range []string{"ward", c.row, "stolen", "later than the clock", "10 years"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not name %q: %v", want, err)
				}
			}
			if checksum(hub, strings.Fields(but)...) != before {
				t.Error("the database has changed")
			}
			exchangeGoesOn(t, hub, honest)
		})
	}
	if now := hub.Peer(stolen).Link.Acked.Epoch; now <= acked {
		t.Errorf("the headers of the refused files did not count: %d is acknowledged, as before", now)
	}
	stolen.Exec("UPDATE ward SET size = 77 WHERE uuid = 'w-2'") // it comes to its senses
	sites.Exchange(hub, honest, stolen)
	sites.Same(t, hub, stolen)
	sites.Same(t, hub, honest)
}

// What the hub has taken stops nobody else: a stamp at the limit goes on to a clinic with a slow clock, is replaced there, and the hub
// takes what replaced it, though its own clock was set back since.
func TestStampAtTheLimitStopsNobody(t *testing.T) {
	hub, honest, stolen, f := wardNetwork(t)
	limit := time.Now().Add(merge.DefaultHorizon - time.Minute).UnixMicro()
	if r, err := hub.ImportErr(forge(t, f, stamped(limit, "w-1", "n-1")), signed); err != nil || r.Updated != 1 || r.Inserted != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	honest.SetClock(-time.Since(time.Unix(86400, 0))) // an empty battery
	sites.Exchange(hub, honest)
	if name := honest.One("SELECT name FROM ward WHERE uuid = 'n-1'"); name != "frozen" {
		t.Fatalf("the clinic has %q", name)
	}
	hub.SetClock(-time.Hour)
	honest.Exec("UPDATE ward SET name = 'thawed' WHERE name = 'frozen'")
	sites.Exchange(hub, honest)
	if n := hub.One("SELECT COUNT(*) FROM ward WHERE name = 'thawed'"); n != "2" {
		t.Errorf("%s wards were replaced, want 2", n)
	}
	exchangeGoesOn(t, hub, honest)
	_ = stolen
}

// A hub whose clock was wrong for a day goes on with its clinics: what they make on that day's rows is taken, whatever its clock says
// since.
func TestHubWithAWrongClockForADay(t *testing.T) {
	hub, honest, _, _ := wardNetwork(t)
	hub.Exec("UPDATE ward SET name = 'late' WHERE uuid = 'w-1'", "INSERT INTO ward (name, uuid) VALUES ('late', 'w-3')")
	hub.Seal()
	epoch := hub.One("SELECT MAX(epoch) FROM omsync_version")
	hub.Exec("UPDATE omsync_version SET time = " + fmt.Sprint(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()) + " WHERE epoch = " + epoch)
	if n := hub.One("SELECT COUNT(*) FROM omsync_version WHERE time > 4000000000000000"); n == "0" {
		t.Fatal("the case is not the one to be tested")
	}
	exchangeGoesOn(t, hub, honest)
	honest.Exec("UPDATE ward SET name = 'later', size = 9 WHERE uuid IN ('w-1', 'w-3')")
	exchangeGoesOn(t, hub, honest)
	honest.Exec("DELETE FROM ward WHERE uuid = 'w-3'")
	exchangeGoesOn(t, hub, honest)
	if n := hub.One("SELECT COUNT(*) FROM ward WHERE uuid = 'w-3'"); n != "0" {
		t.Error("the deletion of what the hub made that day does not count")
	}
}

// Where the horizon is, is a setting.
func TestHorizonIsASetting(t *testing.T) {
	hub, _, _, f := wardNetwork(t)
	at := time.Now().Add(3 * merge.Year).UnixMicro()
	years := func(n int) func(*apply.Options) {
		return func(o *apply.Options) { o.Horizon = time.Duration(n) * merge.Year }
	}
	if _, err := hub.ImportErr(forge(t, f, stamped(at, "w-1")), signed, years(2)); err == nil || !strings.Contains(err.Error(), "2 years") {
		t.Errorf("%v", err)
	}
	if r, err := hub.ImportErr(forge(t, f, stamped(at, "w-1")), signed, years(4)); err != nil || r.Outcome != apply.Applied {
		t.Errorf("%+v, %v", r, err)
	}
}

// versionsOf returns the stamps of a ward's columns by name.
func versionsOf(t *testing.T, s *sites.Site, table, uuid string) map[string]merge.Stamp {
	t.Helper()
	meta := s.J.Tables[table]
	var id int64
	fmt.Sscan(s.One(fmt.Sprintf("SELECT %s_id FROM %s WHERE uuid = '%s'", table, table, uuid)), &id)
	row := journal.Row{Int: id}
	groups, err := journal.Versions(context.Background(), s.DB, meta.ID, []journal.Row{row}, s.J.Authors)
	if err != nil {
		t.Fatal(err)
	}
	found := groups[row]
	if found == nil && !meta.Default.IsEmpty() {
		found = []merge.Group{meta.Default}
	}
	out := map[string]merge.Stamp{}
	for _, c := range meta.Columns {
		for _, g := range found {
			if g.Has(c.Bit) {
				out[c.Name] = g.Stamp
			}
		}
	}
	return out
}

// A version comes with a value or not at all: bits of columns that a block does not carry, that its table does not have, or that share
// a slot with one that it carries, stamp nothing and change nothing.
func TestVersionsWithoutValues(t *testing.T) {
	hub, honest, _, f := wardNetwork(t)
	wide := batch.Table{Name: "ward", Root: "ward", Key: uuidKey, Columns: []batch.Column{{Name: "name", Slot: 1}, {Name: "size", Slot: 2}, {Name: "kind", Slot: 1}}}
	bed := batch.Table{Name: "bed", Root: "bed", Key: uuidKey, Columns: []batch.Column{{Name: "label", Slot: 1}, {Name: "ward_id", Ref: true, Slot: 2}}}
	before, bedBefore := versionsOf(t, hub, "ward", "w-1"), versionsOf(t, hub, "bed", "b-1")
	now := time.Now().UnixMicro()
	all := ^uint64(0)
	if _, err := hub.ImportErr(forge(t, f, func(w *batch.Writer) error {
		for _, c := range []struct {
			t       batch.Table
			key     string
			columns []batch.Values
		}{{wide, "w-1", []batch.Values{{Bytes: [][]byte{[]byte("named")}}, {}, {}}}, {bed, "b-1", []batch.Values{{Bytes: [][]byte{[]byte("soft")}}, {}}}} {
			n, err := w.Table(c.t)
			if err != nil {
				return err
			}
			first, err := w.Keys(n, []batch.Values{{Bytes: [][]byte{[]byte(c.key)}}})
			if err != nil {
				return err
			}
			if err := w.Rows(&batch.Rows{Table: n, Keys: []uint32{first}, Columns: c.columns, Masks: []uint64{all}, Times: []int64{now}, Authors: []string{"stolen"}, Epochs: []uint64{1000}}); err != nil {
				return err
			}
		}
		return nil
	}), signed); err != nil {
		t.Fatal(err)
	}
	after, bedAfter := versionsOf(t, hub, "ward", "w-1"), versionsOf(t, hub, "bed", "b-1")
	if want := (merge.Stamp{Time: now, Author: "stolen"}); after["name"] != want || bedAfter["label"] != want {
		t.Errorf("what came with a value is stamped %v and %v", after["name"], bedAfter["label"])
	}
	for _, c := range []string{"code", "size", "kind", "opened"} {
		if after[c] != before[c] {
			t.Errorf("%s came without a value, and went from %v to %v", c, before[c], after[c])
		}
	}
	if bedAfter["ward_id"] != bedBefore["ward_id"] {
		t.Errorf("ward_id came without a value, and went from %v to %v", bedBefore["ward_id"], bedAfter["ward_id"])
	}
	if n := hub.One("SELECT COUNT(*) FROM bed JOIN ward USING (ward_id) WHERE bed.uuid = 'b-1' AND ward.uuid = 'w-2' AND label = 'soft'"); n != "1" {
		t.Error("a reference that did not come was changed")
	}
	exchangeGoesOn(t, hub, honest)
}

// Whoever writes batches honestly stamps nothing that a block does not carry: that such bits are dropped costs nobody anything.
func TestWrittenMasksAreOfWhatIsCarried(t *testing.T) {
	hub, honest, _, _ := wardNetwork(t)
	honest.Exec("UPDATE ward SET size = 5 WHERE uuid = 'w-1'", "INSERT INTO tag SELECT ward_id, 'x', 'y' FROM ward WHERE uuid = 'w-1'", "UPDATE bed SET label = 'l'")
	for _, f := range append(hub.Export(honest, sites.Full, sites.Parts(1)), honest.Export(hub, sites.Full)...) {
		blocks := 0
		eachItem(t, f, func(tables map[uint32]batch.Table, item any) {
			r, ok := item.(*batch.Rows)
			if !ok {
				return
			}
			blocks++
			carried := uint64(1)
			for i, c := range tables[r.Table].Columns {
				if r.Columns[i].Bytes == nil && r.Columns[i].Refs == nil {
					t.Errorf("%s.%s is not carried", tables[r.Table].Name, c.Name)
				}
				carried |= 1 << c.Slot
			}
			for _, m := range r.Masks {
				if m&^carried != 0 {
					t.Errorf("%s: bit %d of what is not carried", tables[r.Table].Name, bits.TrailingZeros64(m&^carried))
				}
			}
		})
		if blocks == 0 && f.Made.Rows > 0 {
			t.Error("no blocks")
		}
	}
}

// A row that claims that its sender has seen all of the hub's epochs to come wins nothing in silence.
func TestRowAcknowledgesNoMoreThanItsHeader(t *testing.T) {
	for _, ack := range []uint64{1 << 62, ^uint64(0)} {
		hub, honest, _, f := wardNetwork(t)
		hub.Exec("UPDATE ward SET name = 'unseen' WHERE uuid = 'w-1'")
		hub.Seal()
		at := time.Now().Add(time.Hour).UnixMicro()
		if _, err := hub.ImportErr(forge(t, f, func(w *batch.Writer) error {
			n, err := w.Table(named)
			if err != nil {
				return err
			}
			first, err := w.Keys(n, []batch.Values{{Bytes: [][]byte{[]byte("w-1")}}})
			if err != nil {
				return err
			}
			return w.Rows(&batch.Rows{Table: n, Keys: []uint32{first}, Columns: []batch.Values{{Bytes: [][]byte{[]byte("mine")}}}, Acks: []uint64{ack},
				Masks: []uint64{3}, Times: []int64{at}, Authors: []string{"stolen"}, Epochs: []uint64{1000}})
		}), signed); err != nil {
			t.Fatal(err)
		}
		if got := hub.Conflicts(); len(got) != 1 || !strings.Contains(got[0], "unseen") {
			t.Errorf("acknowledgement %d: conflicts %q, want one", ack, got)
		}
		exchangeGoesOn(t, hub, honest)
	}
}

// eachItem reads a batch.
func eachItem(t *testing.T, f *sites.File, each func(tables map[uint32]batch.Table, item any)) {
	t.Helper()
	r, err := batch.Open(bytes.NewReader(f.Data), int64(len(f.Data)), func(*batch.Header, []byte, []byte) error { return nil }, func(r io.Reader) (io.Reader, error) { return r, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tables := map[uint32]batch.Table{}
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := item.(*batch.TableItem); ok {
			tables[d.Number] = d.Table
		}
		each(tables, item)
	}
}
