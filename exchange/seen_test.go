package exchange

import (
	"slices"
	"testing"

	"github.com/omsync/omsync/batch"
)

func TestSeenForgetsTheOldest(t *testing.T) {
	dir := t.TempDir()
	s, err := readSeen(dir)
	if err != nil {
		t.Fatal(err)
	}
	header := func(i int) *batch.Header { return &batch.Header{Sender: "hub", Receiver: "kisumu", Time: int64(i)} }
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	for i := range maxSeen + 5 {
		s.digests, s.changed = append(s.digests, headerDigest(header(i))), true
	}
	s.add(header(7), "folder/some.omsync")
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	if s, err = readSeen(dir); err != nil {
		t.Fatal(err)
	}
	if len(s.digests) != maxSeen || s.has(header(5)) || !s.has(header(6)) || !s.has(header(maxSeen+4)) || s.has(header(-1)) || !slices.Contains(s.digests, nameDigest("some.omsync")) {
		t.Errorf("%d remembered; the oldest should have gone", len(s.digests))
	}
}
