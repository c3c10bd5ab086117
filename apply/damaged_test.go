package apply_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

var wards = []string{
	"CREATE TABLE ward (ward_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(12) NOT NULL, code VARCHAR(8) NULL UNIQUE, size TINYINT UNSIGNED NULL, kind ENUM('a','b') NULL, opened DATE NULL, uuid CHAR(36) NOT NULL UNIQUE)",
	"CREATE TABLE bed (bed_id INT AUTO_INCREMENT PRIMARY KEY, ward_id INT NOT NULL, label VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (ward_id) REFERENCES ward (ward_id))",
	"CREATE TABLE theatre (ward_id INT NOT NULL PRIMARY KEY, lamps INT NULL, FOREIGN KEY (ward_id) REFERENCES ward (ward_id))",
	"CREATE TABLE tag (ward_id INT NOT NULL, name VARCHAR(20) NOT NULL, note VARCHAR(20) NULL, PRIMARY KEY (ward_id, name), FOREIGN KEY (ward_id) REFERENCES ward (ward_id))",
}

// wardPair is a hub and a clinic that hold the same two wards and a bed, and a batch from the hub that the clinic lacks.
func wardPair(t *testing.T) (hub, clinic *sites.Site, next *sites.File) {
	t.Helper()
	hub, clinic = sites.New(t, "hub", "none", wards...), sites.New(t, "clinic", "none", wards...)
	clinic.SetOffset(100)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('maternity', 'w-1'), ('surgery', 'w-2')", "INSERT INTO bed (ward_id, uuid) VALUES (1, 'b-1')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	hub.Exec("UPDATE ward SET name = 'theatre' WHERE uuid = 'w-2'", "DELETE FROM bed WHERE uuid = 'b-1'", "INSERT INTO bed (ward_id, uuid) VALUES (2, 'b-2')")
	return hub, clinic, hub.Export(clinic)[0]
}

// checksum is one of every table, of omsync's too but for those named.
func checksum(s *sites.Site, but ...string) string {
	var out []string
	for _, r := range s.Query("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1") {
		if !slices.Contains(but, r[0]) {
			out = append(out, fmt.Sprint(s.Query("CHECKSUM TABLE " + r[0])[0]))
		}
	}
	return strings.Join(out, "\n")
}

// refusedLeaves is a checksum of all that a batch with a row that is refused leaves as it was: everything but what its header, which
// counts all the same, says of the omsync that wrote it and of its clock.
func refusedLeaves(s *sites.Site) string {
	var columns []string
	for _, r := range s.Query("SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'omsync_peer' ORDER BY ordinal_position") {
		if r[0] != "heard" {
			columns = append(columns, r[0])
		}
	}
	return checksum(s, "omsync_peer", "omsync_report") + fmt.Sprint(s.Query("SELECT "+strings.Join(columns, ", ")+" FROM omsync_peer ORDER BY id"))
}

// damaged is an import of a changed copy of a file. sure accepts any signature, as if the sender had signed the damage, and
// rolls back even if all is well.
func damaged(s *sites.Site, f *sites.File, data []byte, sure bool) (*apply.Report, error) {
	return s.ImportErr(&sites.File{Name: f.Name, Data: data, From: f.From, To: f.To}, func(o *apply.Options) {
		if sure {
			o.DryRun = true
			o.Verify = func(*batch.Header, []byte, []byte) error { return nil }
		}
	})
}

func TestDamagedBatchChangesNothing(t *testing.T) {
	_, clinic, f := wardPair(t)
	before := checksum(clinic)
	unchanged := func(t *testing.T) {
		t.Helper()
		if checksum(clinic) != before {
			t.Fatal("the database has changed")
		}
	}
	anyOf := func(err error, want ...error) bool {
		return slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) })
	}
	header := 5 + int(binary.BigEndian.Uint32(f.Data[1:5]))
	end := len(f.Data) - batch.SignatureSize

	t.Run("truncated", func(t *testing.T) {
		for n := range f.Data {
			if _, err := damaged(clinic, f, f.Data[:n], false); !anyOf(err, batch.ErrTruncated, batch.ErrSignature) {
				t.Fatalf("%d of %d bytes: %v", n, len(f.Data), err)
			}
			if n%7 != 0 && n < end { // signed as it is: cut within, the signature's place taken by what precedes it
				continue
			}
			if _, err := damaged(clinic, f, f.Data[:n], true); !anyOf(err, batch.ErrTruncated, batch.ErrCorrupt) {
				t.Fatalf("%d of %d bytes, signature accepted: %v", n, len(f.Data), err)
			}
		}
		unchanged(t)
	})
	t.Run("a bit changed", func(t *testing.T) {
		for i := range f.Data {
			data := bytes.Clone(f.Data)
			data[i] ^= 1 << (i % 8)
			want := []error{batch.ErrSignature}
			switch {
			case i == 0:
				want = []error{batch.ErrVersion}
			case i < header:
				want = append(want, batch.ErrCorrupt, batch.ErrTruncated)
			}
			if _, err := damaged(clinic, f, data, false); !anyOf(err, want...) {
				t.Fatalf("byte %d of %d: %v", i, len(data), err)
			}
		}
		unchanged(t)
	})
	t.Run("a bit changed, and signed so", func(t *testing.T) {
		same := 0
		for i := range end {
			data := bytes.Clone(f.Data)
			data[i] ^= 1 << ((i + 3) % 8)
			r, err := damaged(clinic, f, data, true)
			if err == nil && r.Inserted == 1 && r.Updated == 1 && r.Deleted == 1 {
				same++ // a bit that says how to decompress, not what
			} else if !anyOf(err, batch.ErrVersion, batch.ErrCorrupt, batch.ErrTruncated, batch.ErrHeader) {
				t.Fatalf("byte %d of %d (header to %d): %+v, %v", i, len(data), header, r, err)
			}
		}
		if same > 4 { // two, and more where the times of a run are packed so
			t.Errorf("%d changed bits made no difference", same)
		}
		unchanged(t)
	})
	t.Run("bytes added", func(t *testing.T) {
		if _, err := damaged(clinic, f, append(bytes.Clone(f.Data), 0), false); !anyOf(err, batch.ErrSignature) {
			t.Fatal(err)
		}
		middle := slices.Concat(f.Data[:end], []byte("something more"), f.Data[end:])
		if _, err := damaged(clinic, f, middle, true); !anyOf(err, batch.ErrCorrupt, batch.ErrTruncated) {
			t.Fatal(err)
		}
		unchanged(t)
	})
	t.Run("no batch at all", func(t *testing.T) {
		for _, data := range []string{"", "\x00", "PK\x03\x04 some other file", "\x02" + string(f.Data[1:]), "\x01\xff\xff\xff\xff" + string(f.Data[5:]), strings.Repeat("\x01", 4096)} {
			if _, err := damaged(clinic, f, []byte(data), true); !anyOf(err, batch.ErrVersion, batch.ErrCorrupt, batch.ErrTruncated) {
				t.Errorf("%.20q: %v", data, err)
			}
		}
		unchanged(t)
	})
	if r := clinic.Import(f); r.Outcome != apply.Applied || r.Inserted != 1 || r.Deleted != 1 || r.Updated != 1 {
		t.Errorf("the file itself: %+v", r)
	}
}

func TestBatchForOthersChangesNothing(t *testing.T) {
	hub, clinic, f := wardPair(t)
	other := sites.New(t, "other", "none", wards...)
	other.Init()
	hub.Connect(other)
	forOther := hub.Export(other)[0]
	before := checksum(clinic)
	if _, err := clinic.ImportErr(forOther); !errors.Is(err, sites.ErrReceiver) {
		t.Errorf("a batch for another node: %v", err)
	}
	renamed := *forOther
	renamed.Name = f.Name
	if _, err := clinic.ImportErr(&renamed); !errors.Is(err, sites.ErrReceiver) {
		t.Errorf("a batch for another node under this one's name: %v", err)
	}

	// A node that clinic does not know, and that took clinic's name from somewhere.
	stranger, namesake := sites.New(t, "stranger", "none", wards...), sites.New(t, "clinic", "none", wards...)
	stranger.Exec("INSERT INTO ward (name, uuid) VALUES ('strange', 'w-9')")
	stranger.Init()
	namesake.Init()
	stranger.Connect(namesake)
	if _, err := clinic.ImportErr(stranger.Export(namesake)[0]); err == nil || !strings.Contains(err.Error(), "no peer of that name") {
		t.Errorf("a batch of an unknown node: %v", err)
	}
	if checksum(clinic) != before {
		t.Error("the database has changed")
	}

	// Another node under the hub's name, whose history nobody knows.
	impostor := sites.New(t, "hub", "none", wards...)
	impostor.Exec("INSERT INTO ward (name, uuid) VALUES ('strange', 'w-9')")
	impostor.Init()
	impostor.Connect(namesake)
	before = checksum(clinic, "omsync_peer")
	r, err := clinic.ImportErr(impostor.Export(namesake)[0])
	if err != nil || r.Outcome != apply.Refused || !r.Stranger {
		t.Errorf("a batch of another history: %+v, %v", r, err)
	}
	if checksum(clinic, "omsync_peer") != before {
		t.Error("the database has changed")
	}
	clinic.Import(f)
	sites.Exchange(hub, clinic)
	sites.Same(t, hub, clinic)
}
