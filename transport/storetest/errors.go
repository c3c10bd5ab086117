package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/omsync/omsync/transport"
)

var errBroken = errors.New("the disk is broken")

// broken is a file that cannot be read from an offset on.
type broken struct {
	content []byte
	from    int64
	then    func() error
}

func (b broken) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > b.from {
		n := 0
		if at < b.from {
			n = copy(p, b.content[at:b.from])
		}
		return n, b.then()
	}
	return copy(p, b.content[at:]), nil
}

func brokenReader(t *testing.T, s transport.Store) {
	const size = 6 << 20
	content, old := Bytes(1, size), []byte("old")
	files := map[string][]byte{"old.omsync": old}
	put(t, s, "old.omsync", old)
	for _, from := range []int64{0, 1000, size - 1} {
		for _, name := range []string{"new.omsync", "old.omsync"} {
			err := s.Put(t.Context(), name, broken{content, from, func() error { return errBroken }}, size, nil)
			if !errors.Is(err, errBroken) || errors.Is(err, transport.ErrDown) {
				t.Errorf("%s breaks at %d: %v", name, from, err)
			}
			want(t, s, files)
		}
	}
	// Shorter than it was said to be.
	if err := s.Put(t.Context(), "new.omsync", bytes.NewReader(content[:5000]), 5001, nil); err == nil {
		t.Error("a file with less than its size was stored")
	}
	want(t, s, files)
	put(t, s, "new.omsync", content)
	files["new.omsync"] = content
	want(t, s, files)
}

func endedContext(t *testing.T, s transport.Store) {
	put(t, s, "old.omsync", []byte("old"))
	files := map[string][]byte{"old.omsync": []byte("old")}
	content := Bytes(1, 6<<20)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Put(ctx, "old.omsync", broken{content, 3 << 20, func() error { cancel(); <-ctx.Done(); return ctx.Err() }},
		int64(len(content)), nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v", err)
	}
	want(t, s, files)
	for what, do := range map[string]func() error{
		"List":   func() error { _, err := s.List(ctx); return err },
		"Get":    func() error { _, _, err := s.Get(ctx, "old.omsync", 0); return err },
		"Put":    func() error { return s.Put(ctx, "new.omsync", bytes.NewReader(content), 10, nil) },
		"Remove": func() error { return s.Remove(ctx, "old.omsync") },
	} {
		if err := do(); !errors.Is(err, context.Canceled) || errors.Is(err, transport.ErrDown) {
			t.Errorf("%s after the end: %v", what, err)
		}
	}
	want(t, s, files)

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	big := Bytes(2, 11<<20)
	put(t, s, "big.omsync", big)
	r, _, err := s.Get(ctx, "big.omsync", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Errorf("reading after the end: %v", err)
	}
}
