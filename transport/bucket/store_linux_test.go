package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/time/rate"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/storetest"
)

func TestBucketIsAStore(t *testing.T) {
	s := start(t, t.TempDir())
	s.makeBucket(t, "clinics")
	var n atomic.Int32
	storetest.Run(t, func(t *testing.T) transport.Store {
		return planted{Store: s.open(t, "clinics", fmt.Sprintf("/a/b%d", n.Add(1)), Options{})}
	})
}

// At the top of a bucket, and with a limit.
func TestLimitedBucketIsAStore(t *testing.T) {
	s := start(t, t.TempDir())
	var n atomic.Int32
	storetest.Run(t, func(t *testing.T) transport.Store {
		bucket := fmt.Sprintf("clinic-%d", n.Add(1))
		s.makeBucket(t, bucket)
		return transport.Limit(s.open(t, bucket, "", Options{}), rate.NewLimiter(1<<30, 64<<10))
	})
}

func TestManyObjects(t *testing.T) {
	s := start(t, t.TempDir())
	s.makeBucket(t, "clinics")
	dir := filepath.Join(s.dir, "clinics", "p")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 1200 { // more than one answer holds
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.omsync", i)), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.open(t, "clinics", "/p", Options{}).List(t.Context())
	if err != nil || len(list) != 1200 || list[1199] != (transport.Entry{Name: "1199.omsync", Size: 1}) {
		t.Errorf("%d listed, %v", len(list), err)
	}
}

// tap counts and breaks requests that send parts.
type tap struct {
	http.RoundTripper
	mu    sync.Mutex
	parts int
	bytes int64
	fail  func(part int) bool
}

func newTap(fail func(part int) bool) *tap { return &tap{RoundTripper: &http.Transport{}, fail: fail} }

func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut && r.URL.Query().Has("partNumber") {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.parts++
		if p.fail(p.parts) {
			io.CopyN(io.Discard, r.Body, 1<<20)
			r.Body.Close()
			return nil, errors.New("connection reset by a goat")
		}
		p.bytes += r.ContentLength
	}
	return p.RoundTripper.RoundTrip(r)
}

func never(int) bool { return false }

// uploads is how many unfinished uploads the bucket has.
func uploads(t *testing.T, s *Store) int {
	t.Helper()
	list, err := s.core.ListMultipartUploads(t.Context(), s.bucket, s.prefix, "", "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Uploads)
}

func same(t *testing.T, s transport.Store, name string, content []byte) {
	t.Helper()
	r, total, err := s.Get(t.Context(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || total != int64(len(content)) || !bytes.Equal(b, content) {
		t.Errorf("%d bytes of %d, want %d; equal: %t; %v", len(b), total, len(content), bytes.Equal(b, content), err)
	}
}

func TestUploadGoesOn(t *testing.T) {
	content := storetest.Bytes(1, 23<<20) // five parts
	size := int64(len(content))
	for _, c := range []struct {
		name    string
		content []byte // of the second Put
		parts   int    // that it sends
		two     bool   // unfinished uploads are there
	}{
		{"the same", content, 2, false},
		{"another first part", append([]byte("x"), content[1:]...), 3, false},
		{"another size", content[:12<<20], 1, false},
		{"all different", storetest.Bytes(2, 23<<20), 5, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, t.TempDir())
			s.makeBucket(t, "clinics")
			b := s.open(t, "clinics", "/p", Options{Transport: newTap(func(part int) bool { return part > 3 })})
			begin := func(key string) {
				if _, err := b.core.NewMultipartUpload(t.Context(), "clinics", key, minio.PutObjectOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			begin("p/a.omsync.omsync") // another file's
			err := b.Put(t.Context(), "a.omsync", bytes.NewReader(content), size, nil)
			if !errors.Is(err, transport.ErrDown) || !strings.Contains(err.Error(), "goat") {
				t.Fatal(err)
			}
			if list, err := b.List(t.Context()); err != nil || len(list) != 0 {
				t.Errorf("listed %v, %v", list, err)
			}
			if n := uploads(t, b); n != 2 {
				t.Errorf("%d uploads", n)
			}
			if c.two {
				begin("p/a.omsync")
			}
			again := newTap(never)
			b = s.open(t, "clinics", "/p", Options{Transport: again})
			var first, last int64 = -1, 0
			progress := func(done int64) {
				if first < 0 {
					first = done
				}
				last = done
			}
			if err := b.Put(t.Context(), "a.omsync", bytes.NewReader(c.content), int64(len(c.content)), progress); err != nil {
				t.Fatal(err)
			}
			if again.parts != c.parts || last != int64(len(c.content)) {
				t.Errorf("sent %d parts, want %d; progress from %d to %d", again.parts, c.parts, first, last)
			}
			same(t, b, "a.omsync", c.content)
			if n := uploads(t, b); n != 1 {
				t.Errorf("%d uploads are left; want the other file's", n)
			}
		})
	}
}

// One broken request is made good within the Put.
func TestPartIsSentAgain(t *testing.T) {
	s := start(t, t.TempDir())
	s.makeBucket(t, "clinics")
	content := storetest.Bytes(1, 12<<20)
	b := s.open(t, "clinics", "", Options{Transport: newTap(func(part int) bool { return part == 2 })})
	var last int64
	err := b.Put(t.Context(), "a.omsync", bytes.NewReader(content), int64(len(content)), func(done int64) {
		if done < last {
			t.Errorf("progress from %d to %d", last, done)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, b, "a.omsync", content)
}

// A server that is killed in the middle of a file, and comes back.
func TestServerIsKilled(t *testing.T) {
	s := start(t, t.TempDir())
	s.makeBucket(t, "clinics")
	content := storetest.Bytes(1, 23<<20)
	size := int64(len(content))
	b := s.open(t, "clinics", "", Options{})
	err := b.Put(t.Context(), "a.omsync", bytes.NewReader(content), size, func(done int64) {
		if done > 12<<20 {
			s.kill()
		}
	})
	if !errors.Is(err, transport.ErrDown) {
		t.Fatal(err)
	}
	if _, err := b.List(t.Context()); !errors.Is(err, transport.ErrDown) || !strings.Contains(err.Error(), b.String()) {
		t.Errorf("List: %v", err)
	}
	s = start(t, s.dir)
	again := newTap(never)
	b = s.open(t, "clinics", "", Options{Transport: again})
	if err := b.Put(t.Context(), "a.omsync", bytes.NewReader(content), size, nil); err != nil {
		t.Fatal(err)
	}
	if again.parts > 3 {
		t.Errorf("sent %d parts of 5, of which 2 were there", again.parts)
	}
	same(t, b, "a.omsync", content)

	r, _, err := b.Get(t.Context(), "a.omsync", 5)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	io.ReadFull(r, make([]byte, 10))
	s.kill()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, transport.ErrDown) {
		t.Errorf("reading from a server that is gone: %v", err)
	}
}

// The answer to the last request is lost, and to the next one the server says that there is no such upload any more. (Some
// servers, as S3 itself for a while, give the lost answer again.)
type deaf struct {
	http.RoundTripper
	done int
}

func (d *deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost || !r.URL.Query().Has("uploadId") {
		return d.RoundTripper.RoundTrip(r)
	}
	if d.done++; d.done > 1 {
		return &http.Response{StatusCode: http.StatusNotFound, Request: r, Header: http.Header{},
			Body: io.NopCloser(strings.NewReader("<Error><Code>NoSuchUpload</Code></Error>"))}, nil
	}
	a, err := d.RoundTripper.RoundTrip(r)
	if err == nil {
		a.Body.Close()
		err = errors.New("connection reset")
	}
	return nil, err
}

func TestLostAnswer(t *testing.T) {
	s := start(t, t.TempDir())
	s.makeBucket(t, "clinics")
	content := storetest.Bytes(1, 12<<20)
	count := newTap(never)
	d := &deaf{RoundTripper: count}
	b := s.open(t, "clinics", "", Options{Transport: d})
	if err := b.Put(t.Context(), "a.omsync", bytes.NewReader(content), int64(len(content)), nil); err != nil {
		t.Fatal(err)
	}
	if d.done != 2 || count.parts != 3 {
		t.Errorf("asked %d times to complete; sent %d parts of 3", d.done, count.parts)
	}
	same(t, b, "a.omsync", content)
}

// All of them begin in the same unfinished upload.
func TestLargePutsAtOnce(t *testing.T) {
	s := start(t, t.TempDir())
	s.makeBucket(t, "clinics")
	broken := s.open(t, "clinics", "", Options{Transport: newTap(func(part int) bool { return part > 1 })})
	err := broken.Put(t.Context(), "a.omsync", bytes.NewReader(make([]byte, 11<<20)), 11<<20, nil)
	if !errors.Is(err, transport.ErrDown) {
		t.Fatal(err)
	}
	var contents [3][]byte
	var wg sync.WaitGroup
	for i := range contents {
		contents[i] = storetest.Bytes(uint64(i), 11<<20)
		wg.Go(func() {
			b := s.open(t, "clinics", "", Options{})
			if err := b.Put(t.Context(), "a.omsync", bytes.NewReader(contents[i]), 11<<20, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r, _, err := s.open(t, "clinics", "", Options{}).Get(t.Context(), "a.omsync", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(b, contents[0]) && !bytes.Equal(b, contents[1]) && !bytes.Equal(b, contents[2]) {
		t.Errorf("a mixture; %v", err)
	}
}

// skewed signs nothing anew: the server looks at the time first.
type skewed struct{ http.RoundTripper }

func (s skewed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Amz-Date", time.Now().UTC().Add(-time.Hour).Format("20060102T150405Z"))
	return s.RoundTripper.RoundTrip(r)
}

func TestErrorsOfAServer(t *testing.T) {
	s := start(t, t.TempDir())
	s.makeBucket(t, "clinics")
	for _, c := range []struct {
		name   string
		bucket string
		o      Options
		want   string
	}{
		{"no bucket", "nobody", Options{}, "no such bucket"},
		{"access key", "clinics", Options{AccessKey: "stranger", SecretKey: secretKey}, "access key"},
		{"secret key", "clinics", Options{AccessKey: accessKey, SecretKey: "wrong-secret-xyz"}, "secret key"},
		{"clock", "clinics", Options{Transport: skewed{&http.Transport{}}}, "clock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := s.open(t, c.bucket, "", c.o)
			_, list := b.List(t.Context())
			_, _, get := b.Get(t.Context(), "a.omsync", 0)
			for what, err := range map[string]error{
				"List":       list,
				"Get":        get,
				"Put":        b.Put(t.Context(), "a.omsync", bytes.NewReader([]byte("a")), 1, nil),
				"Put, large": b.Put(t.Context(), "a.omsync", bytes.NewReader(make([]byte, 6<<20)), 6<<20, nil),
				"Remove":     b.Remove(t.Context(), "a.omsync"),
			} {
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), b.String()) {
					t.Errorf("%s: %v", what, err)
				}
				if errors.Is(err, transport.ErrDown) || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %v is one to wait for, or says that the file is not there", what, err)
				}
				if err != nil && strings.Contains(err.Error(), "secret-") {
					t.Errorf("%s: %v tells a secret", what, err)
				}
			}
		})
	}
	t.Run("fetch", func(t *testing.T) { // as the commands use it
		b := s.open(t, "clinics", "", Options{})
		content := storetest.Bytes(1, 100_000)
		if err := b.Put(t.Context(), "a.omsync", bytes.NewReader(content), 100_000, nil); err != nil {
			t.Fatal(err)
		}
		into, err := transport.OpenFolder(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer into.Close()
		if err := transport.Fetch(context.Background(), b, transport.Entry{Name: "a.omsync", Size: 100_000}, into, nil, nil); err != nil {
			t.Fatal(err)
		}
		same(t, into, "a.omsync", content)
	})
}
