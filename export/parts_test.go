package export_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// ward is a hub with more beds than one block holds, and a clinic that has none of them.
func ward(t *testing.T) (hub, clinic *sites.Site) {
	t.Helper()
	table := "CREATE TABLE bed (bed_id INT AUTO_INCREMENT PRIMARY KEY, label VARCHAR(20), uuid CHAR(36) NOT NULL UNIQUE)"
	hub, clinic = sites.New(t, "hub", "none", table), sites.New(t, "clinic", "none", table)
	insert := "INSERT INTO bed (uuid) VALUES "
	for i := range 2100 {
		insert += fmt.Sprintf("('b-%d'), ", i)
	}
	hub.Exec(insert + "('b-last')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	return hub, clinic
}

var errFull = errors.New("no space left")

// target is a file that may not get its name.
type target struct {
	export.File
	full                 bool
	committed, discarded bool
}

func (f *target) Commit() error {
	if f.full {
		return errFull
	}
	f.committed = true
	return f.File.Commit()
}

func (f *target) Discard() {
	f.discarded = true
	f.File.Discard()
}

// What was finished is reported, also when a later part was not: by its name the peer may have it already. Nothing is left of the
// one that was not.
func TestFinishedPartsAreReported(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what           string
		create, commit int // the part with which this fails
		finished       int
	}{
		{what: "the second part cannot be begun", create: 2, finished: 1},
		{what: "the second part does not get its name", commit: 2, finished: 1},
		{what: "the last part does not get its name", commit: 3, finished: 2},
	} {
		t.Run(test.what, func(t *testing.T) {
			hub, clinic := ward(t)
			var begun []*target
			files, err := hub.ExportErr(clinic, sites.Full, sites.Parts(1), func(o *export.Options) {
				create := o.Create
				o.Create = func(name string) (export.File, error) {
					part := len(begun) + 1
					if part == test.create {
						return nil, errFull
					}
					f, err := create(name)
					begun = append(begun, &target{File: f, full: part == test.commit})
					return begun[part-1], err
				}
			})
			if !errors.Is(err, errFull) {
				t.Fatalf("error %v", err)
			}
			if len(files) != test.finished {
				t.Fatalf("%d parts are finished, not %d", len(files), test.finished)
			}
			for i, f := range begun {
				if f.committed != (i < test.finished) || f.discarded == f.committed {
					t.Errorf("part %d: committed %t, discarded %t", i+1, f.committed, f.discarded)
				}
			}
			for i, f := range files {
				if f.Made.File != f.Name || f.Made.Part != uint32(i+1) || f.Made.Last || f.Made.Bytes != int64(len(f.Data)) || f.Made.Rows == 0 {
					t.Errorf("part %d, %s of %d bytes, is reported as %+v", i+1, f.Name, len(f.Data), f.Made)
				}
			}
		})
	}
}

// All parts are reported when all are finished, the last one too.
func TestAllPartsAreReported(t *testing.T) {
	t.Parallel()
	hub, clinic := ward(t)
	files := hub.Export(clinic, sites.Full, sites.Parts(1))
	rows := int64(0)
	for i, f := range files {
		if f.Made.File != f.Name || f.Made.Part != uint32(i+1) || f.Made.Last != (i == len(files)-1) || f.Made.Bytes != int64(len(f.Data)) {
			t.Errorf("part %d, %s of %d bytes, is reported as %+v", i+1, f.Name, len(f.Data), f.Made)
		}
		rows += f.Made.Rows
	}
	if len(files) != 3 || rows != 2101 {
		t.Errorf("%d parts with %d rows", len(files), rows)
	}
}
