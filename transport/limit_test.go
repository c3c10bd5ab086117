package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/storetest"
)

func TestLimitedFolderIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) transport.Store {
		return transport.Limit(openPlanted(t, t.TempDir()), rate.NewLimiter(1<<30, 20_000))
	})
}

func TestLimitKeepsTheRate(t *testing.T) {
	content := storetest.Bytes(1, 120_000)
	for _, burst := range []int{1000, 1 << 20} {
		l := rate.NewLimiter(400_000, burst)
		l.AllowN(time.Now(), burst) // what may go at once has gone
		s := transport.Limit(openPlanted(t, t.TempDir()), l)
		for what, do := range map[string]func(){
			"Put": func() { putFile(t, s, "a.omsync", content) },
			"Get": func() {
				r, _, err := s.Get(t.Context(), "a.omsync", 0)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, content) {
					t.Errorf("%d bytes, %v", len(b), err)
				}
			},
		} {
			if what == "Get" {
				putFile(t, transport.Limit(s, nil), "a.omsync", content)
				l.AllowN(time.Now(), int(l.Tokens()))
			}
			start := time.Now()
			do()
			// 120 KB at 400 KB/s, less what was saved up meanwhile.
			if took := time.Since(start); took < 250*time.Millisecond {
				t.Errorf("burst %d: %s took %v", burst, what, took)
			}
		}
	}
}

func TestLimitEndsWithTheContext(t *testing.T) {
	f := openPlanted(t, t.TempDir())
	if s := transport.Limit(f, nil); s != transport.Store(f) {
		t.Error("no limit is not the store itself")
	}
	s := transport.Limit(f, rate.NewLimiter(10, 16<<10))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := s.Put(ctx, "a.omsync", bytes.NewReader(make([]byte, 1<<20)), 1<<20, nil)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if got := inFolder(t, f.Folder); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
	none := transport.Limit(f, rate.NewLimiter(10, 0))
	if err := none.Put(t.Context(), "a.omsync", bytes.NewReader([]byte("a")), 1, nil); err == nil {
		t.Error("a burst of 0 was taken")
	}
}

// keeper is a store that keeps the reader that its Put gets.
type keeper struct {
	transport.Store
	got io.ReaderAt
}

func (k *keeper) Put(_ context.Context, _ string, r io.ReaderAt, _ int64, _ func(int64)) error {
	k.got = r
	return nil
}

func TestUnlimited(t *testing.T) {
	k, r, l := &keeper{}, bytes.NewReader(nil), rate.NewLimiter(1, 1)
	if err := transport.Limit(transport.Limit(k, l), l).Put(t.Context(), "a.omsync", r, 0, nil); err != nil {
		t.Fatal(err)
	}
	if k.got == io.ReaderAt(r) || transport.Unlimited(k.got) != io.ReaderAt(r) || transport.Unlimited(r) != io.ReaderAt(r) {
		t.Errorf("got %v", k.got)
	}
}
