package exchange

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/transport"
)

// pretend is a feature that no program has: a file that may use it says so, and is otherwise as ever.
func pretend() features.Known { return features.Known{{Name: "pretend", Since: "9.8.7"}} }

// needs returns what the newest file that waits for a peer needs.
func (n *node) needs(peer string) []string {
	n.t.Helper()
	var newest *batch.Header
	for _, name := range n.waiting(peer) {
		b, err := os.ReadFile(filepath.Join(n.x.Home, "outbox", peer, name))
		if err != nil {
			n.t.Fatal(err)
		}
		h, err := batch.ReadHeader(bytes.NewReader(b))
		if err != nil {
			n.t.Fatal(err)
		}
		if newest == nil || h.Time > newest.Time {
			newest = h
		}
	}
	if newest == nil {
		n.t.Fatalf("nothing waits for %s", peer)
	}
	var out []string
	for _, need := range newest.Needs() {
		out = append(out, need.Feature)
	}
	return out
}

// rounds syncs both ways until nobody has anything to send.
func rounds(folder string, nodes ...*node) {
	for range 3 {
		for _, n := range nodes {
			n.sync(folder)
		}
	}
}

func (n *node) inbox() []string { return batches(n.t, filepath.Join(n.x.Home, "inbox")) }

func (n *node) heard(what string) bool { return strings.Contains(strings.Join(n.told, "; "), what) }

// A feature is off for a peer that does not read it, on after one round trip with one that does, and off again after that one got an
// older program: what it could not read by then it keeps, and gets again without the feature.
func TestFeatureByPeer(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu, folder := all["kisumu"], t.TempDir()
	write := func(n *node, note string) { n.write("w-"+n.Name, note) }
	step := func(note string, want ...string) {
		t.Helper()
		write(hub, note)
		hub.post("kisumu")
		if got := hub.needs("kisumu"); !slices.Equal(got, want) {
			t.Errorf("%s: the file for kisumu needs %q, want %q", note, got, want)
		}
		rounds(folder, hub, kisumu)
		same(t, all)
	}
	hub.x.Features = pretend()
	step("before a word was said")
	write(kisumu, "one")
	rounds(folder, kisumu, hub)
	step("an old peer")

	kisumu.x.Features = append(pretend(), features.Feature{Name: "hub-knows-not", Since: "9.9.9"})
	write(kisumu, "two")
	rounds(folder, kisumu, hub)
	if got := hub.peer("kisumu").Heard.Reads; !slices.Equal(got, []string{"hub-knows-not", "pretend"}) {
		t.Errorf("the hub heard %q", got)
	}
	step("a new peer", "pretend")
	write(kisumu, "three")
	kisumu.post("hub")
	if got := kisumu.needs("hub"); !slices.Equal(got, []string{"pretend"}) {
		t.Errorf("the file for the hub needs %q", got)
	}
	rounds(folder, kisumu, hub)

	kisumu.x.Features = nil
	write(hub, "not yet known to be old again")
	hub.sync(folder)
	kisumu.sync(folder)
	if !kisumu.heard("install omsync 9.8.7 or newer") || len(kisumu.inbox()) != 1 {
		t.Errorf("told %q, inbox %q", kisumu.told, kisumu.inbox())
	}
	if !kisumu.heard("posted hub 0 rows") { // its header says what it reads now
		t.Errorf("told %q", kisumu.told)
	}
	hub.sync(folder)
	kisumu.sync(folder)
	if !kisumu.heard("applied hub") {
		t.Errorf("told %q", kisumu.told)
	}
	rounds(folder, kisumu, hub)
	same(t, all)
	if left := kisumu.inbox(); len(left) != 0 {
		t.Errorf("what came in another form is still kept: %q", left)
	}
	step("an old peer again")
}

// A file that was too new is kept and applied after the update, without being sent or fetched again. Others do not wait for it.
func TestTooNewIsAppliedLater(t *testing.T) {
	hub, all := tree(t, "kisumu", "busia")
	kisumu, busia, folder := all["kisumu"], all["busia"], t.TempDir()
	hub.x.Features, kisumu.x.Features = pretend(), pretend()
	kisumu.write("w1", "one")
	rounds(folder, kisumu, hub)
	kisumu.x.Features = nil
	hub.write("w2", "two")
	hub.sync(folder)
	kisumu.sync(folder)
	posted := kisumu.heard("posted")
	kisumu.sync(folder)
	if !posted || kisumu.heard("posted") {
		t.Errorf("the hub is told what kisumu reads: %v at first; then told %q", posted, kisumu.told)
	}
	if kisumu.heard("received") || !kisumu.heard("install omsync 9.8.7") || len(kisumu.inbox()) != 1 {
		t.Errorf("at a second run: told %q, inbox %q", kisumu.told, kisumu.inbox())
	}
	kisumu.x.Features = pretend()
	for _, name := range batches(t, folder) {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	kisumu.sync()
	if !kisumu.heard("applied hub") || len(kisumu.inbox()) != 0 {
		t.Errorf("after the update: told %q, inbox %q", kisumu.told, kisumu.inbox())
	}
	rounds(folder, busia, hub, kisumu)
	same(t, all)
}

// What waits for a peer that turns out to read less is made anew, also if it is large, and nothing builds on it.
func TestOutboxForPeerThatReadsLess(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu, folder := all["kisumu"], t.TempDir()
	hub.x.Features, kisumu.x.Features = pretend(), pretend()
	kisumu.write("w1", "one")
	rounds(folder, kisumu, hub)
	hub.write("w2", bulk(2*gatherLimit))
	hub.post("kisumu")
	if got := hub.needs("kisumu"); len(got) != 1 {
		t.Fatalf("the large file needs %q", got)
	}
	kisumu.x.Features = nil
	kisumu.write("w3", "three")
	kisumu.post("hub")
	hub.deliver(kisumu)
	hub.write("w4", "four")
	hub.post("kisumu")
	if got := hub.needs("kisumu"); len(got) != 0 || len(hub.waiting("kisumu")) != 1 {
		t.Errorf("%q waits, the newest needs %q", hub.waiting("kisumu"), got)
	}
	kisumu.deliver(hub)
	same(t, all)
}

// later is a file of format 99 of a node for another, signed by its keys.
func (n *node) later(receiver string) []byte {
	n.t.Helper()
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		n.t.Fatal(err)
	}
	head, err := mode.Marshal(map[int]any{1: n.Name, 2: receiver, 14: []string{"needs:format-99@9.8.7"}, 99: "x"})
	if err != nil {
		n.t.Fatal(err)
	}
	b := append(binary.BigEndian.AppendUint32([]byte{99}, uint32(len(head))), head...)
	b = append(b, bulk(1000)...)
	sum := sha512.Sum512(b)
	sig, err := n.x.Keys.Sign(append([]byte(batch.Domain), sum[:]...))
	if err != nil {
		n.t.Fatal(err)
	}
	return append(b, sig...)
}

// A file of format 99 in a folder, on a stick, or on a server is kept whoever brings it; one that its sender has not signed is not.
func TestLaterFormat(t *testing.T) {
	hub, all := tree(t, "kisumu", "busia")
	kisumu, busia, folder := all["kisumu"], all["busia"], t.TempDir()
	put := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := "hub-to-kisumu-0000000003-0000000009-00000a.omsync"
	file := hub.later("kisumu")
	put(good, file)
	put("hub-to-kisumu-0000000003-0000000009-00000b.omsync", append(slices.Clone(file), 0))
	put("hub-to-busia-0000000003-0000000009-00000c.omsync", hub.later("busia"))
	hub.write("w1", "one")
	hub.sync(folder)
	kisumu.sync(folder)
	if !kisumu.heard("install omsync 9.8.7") || !kisumu.heard("applied hub") {
		t.Errorf("told %q", kisumu.told)
	}
	if got := kisumu.inbox(); !slices.Equal(got, []string{good}) {
		t.Errorf("inbox %q", got)
	}
	rounds(folder, kisumu, hub, busia)
	same(t, all)
	if kisumu.heard("received") || !slices.Contains(batches(t, folder), good) {
		t.Errorf("told %q, in the folder %q", kisumu.told, batches(t, folder))
	}

	// A server takes it in, or not, by the same check.
	s := &served{t: t, hub: kisumu, clinic: "hub"}
	kept := "hub-to-kisumu-0000000003-0000000009-00000d.omsync"
	for _, c := range []struct {
		b  []byte
		ok bool
	}{{file, true}, {busia.later("kisumu"), false}, {hub.later("busia"), false}, {file[:len(file)-1], false}} {
		err := Check(bytes.NewReader(c.b), int64(len(c.b)), kisumu.x.Home, kisumu.peer("hub").Contact(), "kisumu")
		if (err == nil) != c.ok {
			t.Errorf("check: %v", err)
		}
	}
	if err := transport.CheckName(kept); err != nil {
		t.Fatal(err)
	}
	if err := s.folder("inbox").Put(t.Context(), kept, bytes.NewReader(file), int64(len(file)), nil); err != nil {
		t.Fatal(err)
	}
	var results []*Result
	_, err := kisumu.x.ImportInbox(context.Background(), func(_ string, h *batch.Header) bool { return h.Sender == "hub" }, func() error { return nil },
		func(r *Result) error { results = append(results, r); return nil })
	if err != nil || len(results) != 2 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for _, r := range results {
		if !errors.Is(r.Err, batch.ErrTooNew) || r.Header == nil || r.Header.Sender != "hub" {
			t.Errorf("%s: %v of %+v", r.Name, r.Err, r.Header)
		}
	}
	// Nor is a file believed to be too new that somebody else has put where files are found.
	forged := hub.later("kisumu")
	forged[len(forged)-1] ^= 1
	if err := s.folder("inbox").Put(t.Context(), kept, bytes.NewReader(forged), int64(len(forged)), nil); err != nil {
		t.Fatal(err)
	}
	kisumu.sync()
	if !kisumu.heard(batch.ErrSignature.Error()) {
		t.Errorf("told of a forged file: %q", kisumu.told)
	}
	if err := DiscardMail(t.Context(), kisumu.x.Home, "hub"); err != nil || len(kisumu.inbox()) != 0 {
		t.Errorf("after the peer was removed: %q, %v", kisumu.inbox(), err)
	}
}
