package batch

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func digestHeader() *Header {
	return &Header{Sender: "hub", Receiver: "kisumu", Upto: Position{7, 8}, Last: true, Requests: []string{DigestNeed}}
}

// A digest file holds its bytes and nothing else; who does not know it takes it to be too new.
func TestDigestFile(t *testing.T) {
	h := digestHeader()
	var b bytes.Buffer
	w := newWriter(t, &b, h)
	data := bytes.Repeat([]byte{1, 2, 3}, 1000)
	if err := w.Digest(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Digest(data); err == nil {
		t.Error("a second digest")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := open(t, b.Bytes())
	defer r.Close()
	item, err := r.Next()
	if d, ok := item.(*DigestItem); err != nil || !ok || !bytes.Equal(d.Data, data) || !r.Header().IsDigest() || r.Header().ForMatching() {
		t.Fatalf("%T, %v", item, err)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Error(err)
	}
	if err := CheckNeeds(h, []string{MatchFeature, Rules}); !errors.Is(err, ErrTooNew) {
		t.Error(err)
	}
	if name := DigestFileName(h, 0x1abcdef); name != "hub-to-kisumu-0000000007-abcdef.omsync-digest" {
		t.Error(name)
	}
}

func TestNoDigestInABatch(t *testing.T) {
	var b bytes.Buffer
	w := newWriter(t, &b, &Header{Sender: "hub", Receiver: "kisumu", Last: true})
	if err := w.Digest([]byte{1}); err == nil {
		t.Error("a digest in a batch")
	}
	if err := newWriter(t, &b, digestHeader()).Digest(make([]byte, MaxDigest+1)); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Error(err)
	}
}
