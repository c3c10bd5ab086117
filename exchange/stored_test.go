package exchange

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/transport"
)

var update = flag.Bool("update", false, "write the golden files anew")

// unversioned has a home folder's files as the program wrote them before links.json had a version. Their contents are those of
// goldenState and goldenHeaders.
const unversioned = "testdata/unversioned"

// copyHome returns a home folder with these files.
func copyHome(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// goldenState notes something of every kind in a state.
func goldenState(s *State) {
	at := time.Date(2026, 11, 28, 9, 30, 0, 0, time.UTC)
	s.recordLink("/media/stick", at, nil)
	s.recordLink("https://hub.example.org", at, nil)
	s.recordLink("https://hub.example.org", at.Add(time.Hour), fmt.Errorf("%w: send to https://hub.example.org: no route to host", transport.ErrDown))
	s.recordLink("s3://bucket", at, errors.New("access denied"))
	s.link("https://hub.example.org").Refused = "it was made before a restore"
	s.recordSent("hub", "kisumu-to-hub-0000000000-0000000001-00abcd.omsync", "/media/stick")
	s.recordSent("hub", "kisumu-to-hub-0000000000-0000000001-00abcd.omsync", "https://hub.example.org")
	s.recordSent("hub", "kisumu-to-hub-0000000001-0000000002-00abce.omsync", "/media/stick")
}

func TestStateOfLinksIsWrittenAsEver(t *testing.T) {
	s, err := ReadState(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	goldenState(s)
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "links.json")
	if *update {
		if err := os.WriteFile(golden, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(made, want) {
		t.Errorf("links.json is written as\n%s\nnot as testdata/links.json (%v)", made, err)
	}
}

func TestStateOfLinksIsRead(t *testing.T) {
	want, err := ReadState(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	goldenState(want)
	for _, from := range []string{unversioned, "testdata"} {
		got, err := ReadState(copyHome(t, from))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Links, want.Links) || !reflect.DeepEqual(got.Sent, want.Sent) {
			t.Errorf("%s reads as %+v", from, got)
		}
	}
}

// What a newer program writes may mean something else: nothing of it is used, and nothing is lost but that.
func TestStateOfLinksThatCannotBeRead(t *testing.T) {
	for text, links := range map[string]int{
		`{"omsync_links": 2, "links": {"a": {"up": "2026-11-28T09:30:00Z"}}}`:                        0,
		`{"omsync_links": 1, "links": {"a": {"up": "2026-11-28T09:30:00Z", "rate": 3}}, "more": []}`: 1, // only more than is known here
		`{"links": {"a": {"up": "yesterday"}}}`:                                                      0,
		`{"omsync_links": 1, "links": {"a": {}`:                                                      0,
		`{"links": null, "sent": null}`:                                                              0,
		``:                                                                                           0,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "links.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := ReadState(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Links) != links || len(s.Sent) != 0 {
			t.Errorf("%s reads as %+v", text, s)
		}
		goldenState(s) // it can be used
		if err := s.save(); err != nil {
			t.Error(err)
		}
	}
}

// goldenHeaders are what the golden list of files seen was made from, with the files' names.
func goldenHeaders() map[string]*batch.Header {
	return map[string]*batch.Header{
		"/media/stick/hub-to-kisumu-0000000010-0000000020-58a859-part0002.omsync": {
			Sender: "hub", Receiver: "kisumu", History: 0x1122334455667788, Earlier: []uint64{1, 2}, Link: 3, PeerLink: 4,
			Base: batch.Position{Epoch: 10, Token: 0xaaaa}, Upto: batch.Position{Epoch: 20, Token: 0xbbbb}, Ahead: true,
			Chain: []batch.Position{{Epoch: 12, Token: 0xcccc}, {Epoch: 15, Token: 0xdddd}}, AckHistory: 5, Ack: batch.Position{Epoch: 6, Token: 7},
			Resent: []uint64{13}, Requests: []string{"obs", "person"}, Load: 8, Part: 2, Last: true, LoadHave: 9, PartHave: 3, Schema: "6f1c",
			Time: 1760000000123456, Missing: batch.Position{Epoch: 30, Token: 31}, LoadUpto: batch.Position{Epoch: 32, Token: math.MaxUint64},
		},
		"kisumu-to-hub-0000000000-0000000001-00abcd.omsync": {
			Sender: "kisumu", Receiver: "hub", Upto: batch.Position{Epoch: 1, Token: 2}, Last: true, Time: 1760000000000000,
		},
		"renamed.omsync": {},
	}
}

// Files that were applied before an update are known after it: renaming a field of the header must not make them new.
func TestFilesSeenBefore(t *testing.T) {
	s, err := readSeen(unversioned)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 * len(goldenHeaders()); len(s.digests) != want {
		t.Fatalf("%d digests, not %d", len(s.digests), want)
	}
	for name, h := range goldenHeaders() {
		s.add(h, name)
		if s.changed {
			t.Errorf("%s is not recognised: its header is %s", name, headerText(h))
		}
		s.changed = false
	}
}

// The text of a header holds every field that tells batches apart.
func TestHeadersThatDifferHaveOtherDigests(t *testing.T) {
	h := goldenHeaders()["kisumu-to-hub-0000000000-0000000001-00abcd.omsync"]
	for what, change := range map[string]func(*batch.Header){
		"sender": func(h *batch.Header) { h.Sender = "x" }, "receiver": func(h *batch.Header) { h.Receiver = "x" },
		"history": func(h *batch.Header) { h.History = 1 }, "link": func(h *batch.Header) { h.Link = 1 }, "base": func(h *batch.Header) { h.Base.Token = 1 },
		"upto": func(h *batch.Header) { h.Upto.Token = 1 }, "ack": func(h *batch.Header) { h.Ack.Epoch = 1 }, "load": func(h *batch.Header) { h.Load = 1 },
		"part": func(h *batch.Header) { h.Part = 1 }, "time": func(h *batch.Header) { h.Time = 1 }, "requests": func(h *batch.Header) { h.Requests = []string{"obs"} },
	} {
		other := *h
		change(&other)
		if headerDigest(&other) == headerDigest(h) {
			t.Errorf("headers with another %s have one digest", what)
		}
	}
}

// Lines that this program did not write are passed over.
func TestListOfFilesSeenWithMore(t *testing.T) {
	dir := copyHome(t, unversioned)
	f, err := os.OpenFile(filepath.Join(dir, "seen"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("2:0123456789abcdef something new\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := readSeen(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range goldenHeaders() {
		if !s.has(h) {
			t.Errorf("%s is not recognised", name)
		}
	}
}
