package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// laterFile is a signed file of some format, with what every format keeps in its header, and whatever else.
func laterFile(t testing.TB, format byte, header map[int]any) []byte {
	t.Helper()
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	head, err := mode.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	b := binary.BigEndian.AppendUint32([]byte{format}, uint32(len(head)))
	b = append(append(b, head...), "what no program of today reads"...)
	return signed(b)
}

// A file of format 99 names the version that reads it; that is believed of Verify and Open once the signature is checked.
func TestTooNew(t *testing.T) {
	later := map[int]any{1: "hub", 2: "kisumu", 14: []string{"needs:format-99@12.3.4"}, 30: []any{map[int]any{1: []int{1, 2}}}, 41: "x"}
	b := laterFile(t, 99, later)
	want := TooNewError{Format: 99, Version: "12.3.4", Sender: "hub", Receiver: "kisumu"}
	is := func(what string, err error) {
		t.Helper()
		var e *TooNewError
		if !errors.As(err, &e) || *e != want || !errors.Is(err, ErrTooNew) || !errors.Is(err, ErrVersion) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := ReadHeader(bytes.NewReader(b))
	is("ReadHeader", err)
	if !strings.Contains(fmt.Sprint(err), "install omsync 12.3.4 or newer") {
		t.Errorf("the message is %q", err)
	}
	_, err = Verify(bytes.NewReader(b), int64(len(b)), func(h *Header, msg, sig []byte) error {
		if h.Sender != "hub" || h.Receiver != "kisumu" {
			t.Errorf("verify is given %+v", h)
		}
		return verify(h, msg, sig)
	})
	is("Verify", err)
	_, err = Open(bytes.NewReader(b), int64(len(b)), verify, func(io.Reader) (io.Reader, error) {
		t.Error("decrypted")
		return nil, errors.New("no")
	})
	is("Open", err)
	for i := range b { // whatever is damaged, nothing says then that the file is its sender's and too new
		c := slices.Clone(b)
		c[i] ^= 1 << (i % 8)
		for _, c := range [][]byte{c, b[:i]} {
			if _, err := Verify(bytes.NewReader(c), int64(len(c)), verify); errors.Is(err, ErrTooNew) || err == nil {
				t.Fatalf("damaged at %d: %v", i, err)
			}
		}
	}
}

// In a file of format 1 a field that is unknown is damage, unless the header names what it needs.
func TestTooNewWithinFormat(t *testing.T) {
	fields := map[int]any{1: "hub", 2: "kisumu", 17: true, 24: []int{1}}
	b := laterFile(t, Version, fields)
	if _, err := ReadHeader(bytes.NewReader(b)); !errors.Is(err, ErrCorrupt) || errors.Is(err, ErrTooNew) {
		t.Errorf("without a need: %v", err)
	}
	fields[14] = []string{"needs:waiting-rows@0.4.0", "obs#3", "needs:routing@0.10.1", "needs:other@0.9.9"}
	b = laterFile(t, Version, fields)
	_, err := Verify(bytes.NewReader(b), int64(len(b)), verify)
	var e *TooNewError
	if !errors.As(err, &e) || *e != (TooNewError{Format: 1, Version: "0.10.1", Sender: "hub", Receiver: "kisumu"}) {
		t.Errorf("with needs: %v", err)
	}
}

// A file that begins with a byte over 1 and has not what every format keeps is no batch.
func TestNoEnvelope(t *testing.T) {
	needs := []string{"needs:format-99@1.2.3"}
	for name, fields := range map[string]map[int]any{
		"no needs":      {1: "hub", 2: "kisumu", 14: []string{"obs#3"}},
		"no requests":   {1: "hub", 2: "kisumu"},
		"no sender":     {2: "kisumu", 14: needs},
		"no receiver":   {1: "hub", 14: needs},
		"a long name":   {1: strings.Repeat("x", MaxName+1), 2: "kisumu", 14: needs},
		"a long text":   {1: "hub", 2: "kisumu", 14: append(needs, strings.Repeat("x", MaxName+1))},
		"a number":      {1: 7, 2: "kisumu", 14: needs},
		"many requests": {1: "hub", 2: "kisumu", 14: slices.Repeat(needs, MaxTables+1)},
	} {
		b := laterFile(t, 99, fields)
		if _, err := ReadHeader(bytes.NewReader(b)); !errors.Is(err, ErrVersion) || errors.Is(err, ErrTooNew) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []string{"c", "cc", "caf\xff\xff\xff\xff", "PK\x03\x04....", "omsync batch v1\n", "c\x00\x00\x00\x09short"} {
		if _, err := ReadHeader(strings.NewReader(s)); !errors.Is(err, ErrVersion) || errors.Is(err, ErrTooNew) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// What headers say of features: names and versions out of bounds are passed over, needs never are.
func TestReadsAndNeeds(t *testing.T) {
	long := strings.Repeat("a", MaxFeatureName)
	h := &Header{Requests: []string{"reads:b", "obs#3", "reads:a", "reads:b", "reads:", "reads:A", "reads:a b", "reads:a#1", "reads:" + long,
		"reads:" + long + "a", "reads:é", "needs:x@0.1.0", "read:c", "needs:table#7"}}
	if got, want := h.Reads(), []string{"a", long, "b"}; !slices.Equal(got, want) {
		t.Errorf("reads %q, want %q", got, want)
	}
	if got, want := h.TableRequests(), []string{"obs#3", "reads:a#1", "needs:table#7"}; !slices.Equal(got, want) {
		t.Errorf("requests %q, want %q", got, want)
	}
	if got := h.Needs(); len(got) != 1 {
		t.Errorf("needs %+v", got)
	}
	h.Requests = nil
	for i := range MaxTables {
		h.Requests = append(h.Requests, fmt.Sprintf("reads:f%04d", i))
	}
	if got := h.Reads(); len(got) != MaxFeatures || got[0] != "f0000" {
		t.Errorf("%d features of a header that names %d", len(got), MaxTables)
	}
	for text, want := range map[string]Need{
		"needs:x@0.1.0":          {"x", "0.1.0"},
		"needs:x@10.20.30":       {"x", "10.20.30"},
		"needs:x":                {"x", ""},
		"needs:x@":               {"x", ""},
		"needs:x@0.1":            {"x", ""},
		"needs:x@0.01.0":         {"x", ""},
		"needs:x@v0.1.0":         {"x", ""},
		"needs:x@0.1.0-rc1":      {"x", ""},
		"needs:x@0.1.+1":         {"x", ""},
		"needs:x@4294967296.0.0": {"x", ""},
		"needs:x@\x1b[2J":        {"x", ""},
		"needs:x@4294967295.4294967295.4294967295":     {"x", ""},
		"needs:\x1b[2J@0.1.0":                          {"", "0.1.0"},
		"needs:":                                       {"", ""},
		"needs:" + strings.Repeat("y", 100) + "@1.0.0": {"", "1.0.0"},
	} {
		h.Requests = []string{text}
		if got := h.Needs(); len(got) != 1 || got[0] != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
		if err := CheckNeeds(h, []string{"x"}); (want.Feature == "x") != (err == nil) {
			t.Errorf("%q for a reader of x: %v", text, err)
		}
		if err := CheckNeeds(h, nil); !errors.Is(err, ErrTooNew) {
			t.Errorf("%q for a reader of today: %v", text, err)
		}
	}
	if err := CheckNeeds(testHeader(), nil); err != nil {
		t.Errorf("a header of today: %v", err)
	}
}
