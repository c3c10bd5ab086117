package apply_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// pair is a hub and a clinic that have exchanged, and a file of the clinic.
func doorPair(t *testing.T) (hub, clinic *sites.Site, f *sites.File) {
	ddl := "CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB"
	hub, clinic = sites.New(t, "hub", "none", ddl), sites.New(t, "clinic", "none", ddl)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO ward (uuid, name) VALUES ('w-1', 'one')")
	return hub, clinic, clinic.Export(hub)[0]
}

var wardTable = batch.Table{Name: "ward", Root: "ward", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "name", Slot: 1}}}

// What could not go into a batch again does not come in: a key that is too long in the form in which it is kept, authors that are none.
func TestWhatNoBatchTakesIsRefused(t *testing.T) {
	hub, _, f := doorPair(t)
	grows := strings.Repeat("Ⱥ", batch.MaxKey/2) // three bytes each in lower case
	record := func(key string, loser, winner string) func(w *batch.Writer) error {
		return func(w *batch.Writer) error {
			n, err := w.Table(wardTable)
			if err != nil {
				return err
			}
			first, err := w.Keys(n, []batch.Values{{Bytes: [][]byte{[]byte(key)}}})
			if err != nil {
				return err
			}
			return w.Records(&batch.Records{Table: n, Keys: []uint32{first}, Columns: []string{"name"}, Values: [][]byte{[]byte("lost")}, LostTimes: []int64{5}, LostAuthors: []string{loser},
				WonTimes: []int64{6}, WonAuthors: []string{winner}, At: []int64{7}, Epochs: []uint64{1000}})
		}
	}
	deletions := func(key string) func(w *batch.Writer) error {
		return func(w *batch.Writer) error {
			n, err := w.Table(wardTable)
			if err != nil {
				return err
			}
			first, err := w.Keys(n, []batch.Values{{Bytes: [][]byte{[]byte(key)}}})
			if err != nil {
				return err
			}
			return w.Deletions(&batch.Deletions{Table: n, Keys: []uint32{first}, Times: []int64{5}, Authors: []string{"clinic"}, Epochs: []uint64{1000}})
		}
	}
	for _, c := range []struct {
		name  string
		items func(w *batch.Writer) error
		want  error
	}{
		{"a record whose key grows", record(grows, "clinic", "clinic"), batch.ErrExcess},
		{"a deletion whose key grows", deletions(grows), batch.ErrExcess},
		{"a loser that is no node", record("w-1", strings.Repeat("ö", 20), "clinic"), batch.ErrCorrupt},
		{"a winner that is no node", record("w-1", "clinic", "No Name"), batch.ErrCorrupt},
		{"the longest key, a deletion", deletions(strings.Repeat("k", batch.MaxKey)), nil},
		{"the longest key", record(strings.Repeat("k", batch.MaxKey), "clinic", "clinic"), nil},
	} {
		if _, err := hub.ImportErr(forge(t, f, c.items), signed, func(o *apply.Options) { o.DryRun = true }); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// A child is stopped at its quota, and goes on when that is raised; its parent's files count for nothing. Long keys of deletions count more.
func TestQuotaOfAnImport(t *testing.T) {
	hub, clinic, f := doorPair(t)
	limits := access.DefaultLimits()
	limits[access.Tombstones] = 5
	quotas := func(o *apply.Options) { o.Quotas = limits }
	dead := func(keys ...string) *sites.File {
		return forge(t, f, func(w *batch.Writer) error {
			n, err := w.Table(wardTable)
			if err != nil {
				return err
			}
			d, v := &batch.Deletions{Table: n}, batch.Values{}
			for _, k := range keys {
				v.Bytes = append(v.Bytes, []byte(k))
				d.Times, d.Authors, d.Epochs = append(d.Times, 5), append(d.Authors, "clinic"), append(d.Epochs, 1000)
			}
			first, err := w.Keys(n, []batch.Values{v})
			for i := range keys {
				d.Keys = append(d.Keys, first+uint32(i))
			}
			return errors.Join(err, w.Deletions(d))
		})
	}
	refused := func(what string, f *sites.File, more uint64) {
		t.Helper()
		_, err := hub.ImportErr(f, signed, quotas)
		var over *access.OverQuota
		if !errors.As(err, &over) || over.Quota != access.Tombstones || over.Peer != "clinic" || over.More != more {
			t.Errorf("%s: %v", what, err)
		}
		if p := hub.Peer(clinic); p.Used.Stopped == nil || p.Used.Stopped.More != more || p.Used.Amounts[access.Tombstones] != 0 {
			t.Errorf("%s: used %+v", what, p.Used)
		}
	}
	refused("six", dead("a", "b", "c", "d", "e", "f"), 1)
	refused("a key that counts six times", dead(strings.Repeat("k", 5*256)), 6)
	if n := hub.One("SELECT COUNT(*) FROM omsync_tombstone"); n != "0" {
		t.Errorf("%s deletions stay", n)
	}
	if _, err := hub.ImportErr(dead("x1", "x2", "x3", "x4", "x5", "x6"), signed, quotas, func(o *apply.Options) { o.DryRun = true }); err == nil {
		t.Error("a dry run says nothing")
	}
	limits[access.Tombstones] = 6
	if _, err := hub.ImportErr(dead("a", "b", "c", "d", "e", "f"), signed, quotas); err != nil {
		t.Fatal(err)
	}
	if p := hub.Peer(clinic); p.Used.Stopped != nil || p.Used.Amounts[access.Tombstones] != 6 {
		t.Errorf("used %+v", p.Used)
	}
	// From the parent any number.
	for i := range 20 {
		hub.Exec(fmt.Sprintf("INSERT INTO ward (uuid) VALUES ('h-%d')", i))
	}
	hub.Seal()
	hub.Exec("DELETE FROM ward")
	for _, f := range hub.Export(clinic) {
		if _, err := clinic.ImportErr(f, quotas); err != nil {
			t.Error(err)
		}
	}
	if p := clinic.Peer(hub); len(p.Used.Amounts) != 0 {
		t.Errorf("the parent has used %v", p.Used.Amounts)
	}
}
