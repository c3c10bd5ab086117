//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
)

const (
	loadClinics = 200
	loadVisits  = 20 // rows of each clinic's batch, and one site that they refer to
)

// BenchmarkHub has 200 clinics send a first batch to one hub at the same moment, each with keys of its own and over a
// connection of its own. The hub is a process of its own; the clinics share this one, and the machine. It reports files
// and bytes per second, the processor's time that the hub used; seconds from the start of a push until the clinic has
// heard that its file is stored (p50, p99) and, where the hub imports, that it is imported, with what the hub has for it
// ready to be fetched; and the peak of the hub's memory. An error of any clinic, or a row that is not in the hub's
// database in the end, ends the benchmark.
func BenchmarkHub(b *testing.B) {
	for _, v := range []struct {
		name string
		args []string
	}{{"import", []string{"--import"}}, {"store", nil}} {
		b.Run(v.name, func(b *testing.B) {
			if b.N > 1 {
				b.Skip("one run takes long enough to measure once: -benchtime 1x")
			}
			loadHub(b, v.args)
			b.ReportMetric(0, "ns/op")
		})
	}
}

func loadHub(b *testing.B, args []string) {
	dir := b.TempDir()
	x := &bench{b: b, program: buildProgram(b), dir: dir}
	server := dbtest.Server(b)
	name, dsn := server.Database(b, tiny()...)
	db := server.Open(b, name)
	dbtest.Exec(b, db, "INSERT INTO site (uuid, name) VALUES ('s-hub', 'district')")
	x.node("hub", dsn)
	hub := &loadTarget{bench: x}
	hub.open(dsn)
	clinics := make([]*loadClinic, loadClinics)
	var size int64
	for i := range clinics {
		clinics[i] = hub.clinic(i)
		size += int64(len(clinics[i].data))
	}
	hub.serve(args)

	start := make(chan struct{})
	var all sync.WaitGroup
	for _, c := range clinics {
		all.Go(func() {
			<-start
			c.err = c.push(hub, len(args) > 0)
		})
	}
	began := time.Now()
	close(start)
	all.Wait()
	took := time.Since(began).Seconds()
	peak := hub.peak()
	hub.stop()
	var stored, acked []time.Duration
	for _, c := range clinics {
		if c.err != nil {
			b.Errorf("%s: %v", c.name, c.err)
		}
		stored, acked = append(stored, c.stored), append(acked, c.acked)
	}
	if b.Failed() {
		b.Fatalf("the hub's log:\n%s", hub.tail())
	}
	if len(args) == 0 {
		began := time.Now()
		x.run("hub", "import")
		b.ReportMetric(loadClinics/time.Since(began).Seconds(), "import-files/s")
	}
	var rows int
	query := "SELECT COUNT(*) FROM visit v JOIN site s ON s.id = v.site_id WHERE v.uuid LIKE CONCAT(s.uuid, '-%')"
	if err := db.QueryRow(query).Scan(&rows); err != nil {
		b.Fatal(err)
	}
	if rows != loadClinics*loadVisits {
		b.Fatalf("%d visits are in the hub's database, and %d clinics sent %d each; the hub's log:\n%s", rows, loadClinics, loadVisits, hub.tail())
	}
	b.ReportMetric(loadClinics/took, "files/s")
	b.ReportMetric(float64(size)/1e6/took, "MB/s")
	b.ReportMetric(0, "errors")
	percentiles(b, "stored", stored)
	if len(args) > 0 {
		percentiles(b, "acked", acked)
	}
	used := hub.cmd.ProcessState
	b.ReportMetric((used.UserTime() + used.SystemTime()).Seconds(), "hub-cpu-s")
	if peak > 0 {
		b.ReportMetric(peak, "hub-MiB")
	}
}

func percentiles(b *testing.B, what string, d []time.Duration) {
	slices.Sort(d)
	b.ReportMetric(d[len(d)/2].Seconds(), what+"-p50-s")
	b.ReportMetric(d[len(d)*99/100].Seconds(), what+"-p99-s")
}

// loadTarget is the hub.
type loadTarget struct {
	*bench
	card    keys.Card
	history uint64
	last    batch.Position // what the clinics know of the hub
	db      sqldb.DB

	cmd          *exec.Cmd
	log          string
	address, pin string
}

// open reads from the hub's home and database what the clinics know of it.
func (h *loadTarget) open(dsn string) {
	id, err := keys.Load(filepath.Join(h.dir, "hub"), "hub")
	if err != nil {
		h.b.Fatal(err)
	}
	h.card = id.Card()
	db, _, err := sqldb.Open(dsn)
	if err != nil {
		h.b.Fatal(err)
	}
	h.b.Cleanup(func() { db.Close() })
	h.db = db
	node, err := journal.LoadNode(h.b.Context(), db)
	if err != nil {
		h.b.Fatal(err)
	}
	last, err := journal.LastEpoch(h.b.Context(), db)
	if err != nil {
		h.b.Fatal(err)
	}
	h.history, h.last = node.History, batch.Position(last)
}

// loadClinic is a clinic with a batch to send, and what came of that.
type loadClinic struct {
	name, file    string
	id            *keys.Identity
	data          []byte
	err           error
	stored, acked time.Duration
}

// clinic makes a peer of the hub that has the hub's rows, and its first batch.
func (h *loadTarget) clinic(i int) *loadClinic {
	c := &loadClinic{name: fmt.Sprintf("clinic-%03d", i)}
	var err error
	if c.id, err = keys.Create(filepath.Join(h.dir, "keys", c.name), c.name, ""); err != nil {
		h.b.Fatal(err)
	}
	link := uint64(1_000_000 + i)
	err = journal.AddPeer(h.b.Context(), h.db, &journal.Peer{Name: c.name, Role: "child", Card: c.id.Card().Marshal(), Link: merge.Link{Number: link}})
	if err != nil {
		h.b.Fatal(err)
	}
	const upto = 2
	c.file = fmt.Sprintf("%s-to-hub-%010d-%010d-%06x.omsync", c.name, 0, upto, i)
	var out bytes.Buffer
	w, err := batch.NewWriter(&out, &batch.Header{
		Sender: c.name, Receiver: "hub", History: rand.Uint64() | 1, Link: rand.Uint64() | 1, PeerLink: link, Upto: batch.Position{Epoch: upto, Token: rand.Uint64() | 1},
		AckHistory: h.history, Ack: h.last, Last: true, Time: time.Now().UnixMicro(),
	}, h.card.Encrypt, c.id.Sign)
	if err == nil {
		err = c.write(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		h.b.Fatal(err)
	}
	c.data = out.Bytes()
	return c
}

// write writes a site and its visits.
func (c *loadClinic) write(w *batch.Writer) error {
	uuid := []batch.Column{{Name: "uuid", Kind: batch.KindText}}
	text := batch.Column{Kind: batch.KindText, Slot: 1}
	named := func(name string) batch.Column { text.Name = name; return text }
	site, err := w.Table(batch.Table{Name: "site", Root: "site", Key: uuid, Columns: []batch.Column{named("name")}})
	if err != nil {
		return err
	}
	visit, err := w.Table(batch.Table{Name: "visit", Root: "visit", Key: uuid, Columns: []batch.Column{{Name: "site_id", Ref: true, Slot: 1}, {Name: "note", Kind: batch.KindText, Slot: 2}}})
	if err != nil {
		return err
	}
	at, err := w.Keys(site, []batch.Values{{Bytes: [][]byte{[]byte(c.name)}}})
	if err != nil {
		return err
	}
	now := time.Now().UnixMicro()
	err = w.Rows(&batch.Rows{Table: site, Keys: []uint32{at}, Columns: []batch.Values{{Bytes: [][]byte{[]byte("ward")}}},
		Masks: []uint64{3}, Times: []int64{now}, Authors: []string{c.name}, Epochs: []uint64{1}})
	if err != nil {
		return err
	}
	var ids, notes [][]byte
	r := &batch.Rows{Table: visit}
	var refs []uint32
	for i := range loadVisits {
		ids = append(ids, fmt.Appendf(nil, "%s-%d", c.name, i))
		note := make([]byte, 0, 200)
		for len(note) < 200 {
			note = strconv.AppendUint(append(note, ' '), rand.Uint64(), 36)
		}
		notes, refs = append(notes, note), append(refs, at)
		r.Masks, r.Times, r.Authors, r.Epochs = append(r.Masks, 7), append(r.Times, now), append(r.Authors, c.name), append(r.Epochs, 1)
	}
	first, err := w.Keys(visit, []batch.Values{{Bytes: ids}})
	if err != nil {
		return err
	}
	for i := range ids {
		r.Keys = append(r.Keys, first+uint32(i))
	}
	r.Columns = []batch.Values{{Refs: refs}, {Bytes: notes}}
	return w.Rows(r)
}

// push sends the batch as sync does. imports: the clinic calls on until it knows that the hub has imported it.
func (c *loadClinic) push(h *loadTarget, imports bool) error {
	ctx, cancel := context.WithTimeout(h.b.Context(), 5*time.Minute)
	defer cancel()
	var receipt web.Receipt
	client, err := client.New(client.Options{URL: h.address, Pin: h.pin, Self: c.name, Peer: "hub", Sign: c.id.Sign,
		Receipt: func(_ string, r web.Receipt) { receipt = r }})
	if err != nil {
		return err
	}
	defer client.Close()
	began := time.Now()
	if err := client.Put(ctx, c.file, bytes.NewReader(c.data), int64(len(c.data)), nil); err != nil {
		return err
	}
	c.stored = time.Since(began)
	for imports && receipt.Outcome == "stored" { // the hub is still at it: what it writes for this clinic tells of the import
		mail, err := client.List(ctx)
		if err != nil {
			return err
		}
		if len(mail) > 0 {
			receipt.Outcome = apply.Applied
		}
	}
	c.acked = time.Since(began)
	if want := map[bool]string{true: apply.Applied, false: "stored"}[imports]; receipt.Outcome != want {
		return fmt.Errorf("the hub says %s (%s), and %s was expected", receipt.Outcome, receipt.Why, want)
	}
	return nil
}

// serve starts the hub's server.
func (h *loadTarget) serve(args []string) {
	h.log = filepath.Join(h.dir, "hub.log")
	f, err := os.Create(h.log)
	if err != nil {
		h.b.Fatal(err)
	}
	defer f.Close()
	h.cmd = h.command("hub", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	h.cmd.Stdout, h.cmd.Stderr = f, f
	if err := h.cmd.Start(); err != nil {
		h.b.Fatal(err)
	}
	h.b.Cleanup(func() { // after a failure; otherwise it has stopped
		h.cmd.Process.Kill()
		h.cmd.Wait()
	})
	said := regexp.MustCompile(`(?s)pin=(\S+).*msg=listening .*address=(\S+) tls=true`)
	for range 600 {
		b, err := os.ReadFile(h.log)
		if err != nil {
			h.b.Fatal(err)
		}
		if m := said.FindSubmatch(b); m != nil {
			h.pin, h.address = string(m[1]), "https://"+string(m[2])
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	h.b.Fatalf("the hub does not listen after half a minute:\n%s", h.tail())
}

// stop asks the hub to stop, and sees that it does and has no errors in its log.
func (h *loadTarget) stop() {
	if err := h.cmd.Process.Signal(os.Interrupt); err != nil {
		h.b.Fatal(err)
	}
	if err := h.cmd.Wait(); err != nil {
		h.b.Fatalf("the hub: %v\n%s", err, h.tail())
	}
	b, err := os.ReadFile(h.log)
	if err != nil {
		h.b.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "level=WARN") {
			h.b.Errorf("the hub's log: %s", line)
		}
	}
}

// peak is the most memory that the hub has used, in MiB; 0 where the system does not say.
func (h *loadTarget) peak() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		return 0
	}
	kib, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return 0
	}
	return kib / 1024
}

// tail is the end of the hub's log.
func (h *loadTarget) tail() string {
	b, err := os.ReadFile(h.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-4000):])
}
