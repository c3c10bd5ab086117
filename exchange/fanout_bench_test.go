package exchange

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/transport"
)

// BenchmarkFanOut has a hub export to each of 200 clinics what the 199 others have sent, 21 rows each, first without sections and then with
// them. Files are encrypted and signed. It reports files a second both ways, their ratio, the bytes of a file, and what the import of one takes
// at a clinic. All clinics but two are peers alone, without a database; what they have sent is written at the hub and counts as come from them.
func BenchmarkFanOut(b *testing.B) {
	if b.N > 1 {
		b.Skip("one run takes long enough to measure once: -benchtime 1x")
	}
	const concepts = 17
	clinics := 200
	if s := os.Getenv("OMSYNC_BENCH_CLINICS"); s != "" {
		var err error
		if clinics, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	hub, all := treeOf(b, "none", careTables, "clinic-000", "clinic-001")
	real := []*node{all["clinic-000"], all["clinic-001"]}
	peers := []string{"clinic-000", "clinic-001"}
	for i, n := range append(real, hub) {
		n.x.Features = features.Present()
		n.SetOffset(int64(i+1) * 1_000_000)
	}
	for i := range concepts {
		hub.Exec(fmt.Sprintf("INSERT INTO concept (name, uuid) VALUES ('concept %d', UUID())", i))
	}
	for i := len(real); i < clinics; i++ {
		id, err := keys.Create(b.TempDir(), fmt.Sprintf("clinic-%03d", i), keys.X25519)
		if err != nil {
			b.Fatal(err)
		}
		p := &journal.Peer{Name: fmt.Sprintf("clinic-%03d", i), Role: access.Child, Card: id.Card().Marshal(), Link: merge.Link{Number: uint64(i + 1)}}
		if err := journal.AddPeer(b.Context(), hub.J.DB, p); err != nil {
			b.Fatal(err)
		}
		peers = append(peers, p.Name)
	}
	for _, n := range real {
		n.deliver(hub)
		hub.deliver(n)
		n.deliver(hub)
	}
	hub.acknowledge(peers, real[0].Name)
	var sticks []*transport.Folder
	for _, name := range peers { // whom it tells how tables may go, once
		stick, err := transport.OpenFolder(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		defer stick.Close()
		sticks = append(sticks, stick)
		if _, err := hub.x.Export(b.Context(), hub.peer(name), stick, ExportOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	for _, n := range real {
		n.deliver(hub)
		hub.deliver(n)
	}
	hub.acknowledge(peers, real[0].Name)
	for i, name := range peers {
		hub.work(1, i)
		hub.Seal()
		dbtest.Exec(b, hub.DB, fmt.Sprintf("UPDATE omsync_version SET origin = %d WHERE epoch = (SELECT MAX(id) FROM omsync_epoch)", hub.peer(name).ID))
	}

	took, size := map[bool]float64{}, map[bool]float64{}
	for i, shared := range []bool{false, true} {
		if shared {
			hub.x.Sections = export.NewSections(64 << 20)
		}
		began := time.Now()
		var bytes, rows int64
		for n, name := range peers {
			stick := sticks[n]
			made, err := hub.x.Export(b.Context(), hub.peer(name), stick, ExportOptions{})
			if err != nil || len(made) != 1 || made[0].Rows != int64(clinics-1)*(4+concepts) {
				b.Fatalf("%+v: %v", made, err)
			}
			bytes, rows = bytes+made[0].Bytes, rows+made[0].Rows
			if n == i { // for the real one
				imported := real[i].receiveFrom(b, hub, stick, made[0].File)
				began = began.Add(time.Duration(imported * float64(time.Second)))
				b.ReportMetric(imported, map[bool]string{false: "import-s", true: "import-shared-s"}[shared])
			}
		}
		took[shared], size[shared] = time.Since(began).Seconds(), float64(bytes)/float64(clinics)
	}
	b.ReportMetric(float64(clinics)/took[false], "files/s")
	b.ReportMetric(float64(clinics)/took[true], "shared-files/s")
	b.ReportMetric(took[false]/took[true], "ratio")
	b.ReportMetric(size[false], "bytes")
	b.ReportMetric(size[true], "shared-bytes")
	b.ReportMetric(0, "ns/op")
}

// acknowledge has peers of the hub without a database know all that it has, as a real one does, and say that they read what it does.
func (n *node) acknowledge(peers []string, real string) {
	n.t.Helper()
	has := n.peer(real)
	for _, name := range peers {
		if p := n.peer(name); p.Heard.History == 0 || p.Link.Acked != has.Link.Acked {
			p.Link.Acked, p.Link.History, p.Link.Sending, p.Link.ExportEnds = has.Link.Acked, uint64(p.ID)+1, merge.Sending{}, nil
			p.Heard = has.Heard
			if err := journal.SavePeer(n.t.Context(), n.J.DB, p); err != nil {
				n.t.Fatal(err)
			}
		}
	}
}

// receiveFrom imports a file of another node, and returns the seconds that it took.
func (n *node) receiveFrom(b *testing.B, from *node, stick *transport.Folder, name string) float64 {
	file, size, err := stick.Open(b.Context(), name)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	if err := n.x.AcceptFile(b.Context(), n.peer(from.Name), name, file, size); err != nil {
		b.Fatal(err)
	}
	e, began := n.events(), time.Now()
	if _, err := n.x.ImportInbox(b.Context(), nil, e.Begin, e.Imported); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began).Seconds()
	if len(n.told) != 1 || n.told[0] != "applied "+from.Name {
		b.Fatalf("told %q", n.told)
	}
	return took
}
