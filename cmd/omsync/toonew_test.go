package main

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node/status"
)

// later writes a file of format 99, with a header as every format keeps it, signed by the sender's keys.
func (s *scripted) later(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: later HOME SENDER RECEIVER FILE")
	}
	id, err := keys.Load(ts.MkAbs(args[0]), args[1])
	ts.Check(err)
	mode, err := cbor.CoreDetEncOptions().EncMode()
	ts.Check(err)
	head, err := mode.Marshal(map[int]any{1: args[1], 2: args[2], 14: []string{"needs:format-99@9.8.7"}})
	ts.Check(err)
	b := append(binary.BigEndian.AppendUint32([]byte{99}, uint32(len(head))), head...)
	b = append(b, "what no program of today reads"...)
	sum := sha512.Sum512(b)
	sig, err := id.Sign(append([]byte(batch.Domain), sum[:]...))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), append(b, sig...), 0o600))
}

// Status says of a peer what its omsync does not read, and nothing where nothing is off.
func TestStatusOfFeatures(t *testing.T) {
	s := &status.Status{Node: "hub", Peers: []status.Peer{
		{Name: "kisumu", Unread: []string{"routing", "waiting-rows"}, Heard: true}, {Name: "busia", Heard: true}, {Name: "migori", Unread: []string{"routing"}},
	}}
	var out bytes.Buffer
	if err := printStatus(&out, s, true); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"kisumu runs an omsync that does not read: routing, waiting-rows\n", "migori has not said yet whether its omsync reads: routing\n"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is missing in\n%s", line, out.String())
		}
	}
	if n := strings.Count(out.String(), "busia"); n != 1 {
		t.Errorf("busia is named %d times in\n%s", n, out.String())
	}
	b, err := json.Marshal(s)
	if err != nil || strings.Count(string(b), `"does_not_read":["routing"`) != 2 || strings.Count(string(b), "does_not_read") != 2 {
		t.Errorf("%s, %v", b, err)
	}
}
