package batch

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func digestHeader() *Header {
	h := testHeader()
	h.Base, h.Chain, h.Ahead, h.Resent, h.Requests = Position{}, nil, false, nil, []string{DigestNeed}
	return h
}

func digestWriter(t *testing.T, to io.Writer, h *Header) *Writer {
	t.Helper()
	w, err := NewWriter(to, h, noEncrypt, sign)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A digest file holds its bytes and nothing else; who does not know it takes it to be too new.
func TestDigestFile(t *testing.T) {
	h := digestHeader()
	var b bytes.Buffer
	w := digestWriter(t, &b, h)
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
	got, items, err := read(b.Bytes())
	if err != nil || len(items) != 1 || !got.IsDigest() || got.ForMatching() {
		t.Fatalf("%d items, %v", len(items), err)
	}
	if d, ok := items[0].(*DigestItem); !ok || !bytes.Equal(d.Data, data) {
		t.Errorf("%T", items[0])
	}
	if err := CheckNeeds(h, []string{MatchFeature, Rules}); !errors.Is(err, ErrTooNew) {
		t.Error(err)
	}
	if name := DigestFileName(h, 0x1abcdef); !strings.HasSuffix(name, "-abcdef"+DigestSuffix) {
		t.Error(name)
	}
}

// Whatever stands for a digest in a file is read, or refused as damage.
func TestHostileDigest(t *testing.T) {
	for name, item := range map[string][]any{
		"good": {itemDigest, []byte{1}}, "none": {itemDigest, nil}, "a text": {itemDigest, "x"}, "two": {itemDigest, []byte{1}, []byte{2}}, "too long": {itemDigest, make([]byte, MaxDigest+1)},
	} {
		for _, told := range []bool{true, false} {
			h := testHeader()
			if told {
				h = digestHeader()
			}
			_, _, err := read(hostile(t, h, item))
			if good := name == "good" && told; good != (err == nil) || !good && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s, told %t: %v", name, told, err)
			}
		}
	}
	if err := digestWriter(t, io.Discard, testHeader()).Digest([]byte{1}); err == nil {
		t.Error("a digest in a batch")
	}
	if err := digestWriter(t, io.Discard, digestHeader()).Digest(make([]byte, MaxDigest+1)); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Error(err)
	}
}
