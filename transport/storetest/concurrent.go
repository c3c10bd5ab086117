package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"testing"

	"github.com/omsync/omsync/transport"
)

func concurrent(t *testing.T, s transport.Store) {
	const writers, rounds = 4, 5
	files := map[string][]byte{}
	contents := map[string]bool{} // of the file that all write
	for w := range writers {
		for i := range rounds {
			files[fmt.Sprintf("w%d-%d.omsync", w, i)] = Bytes(uint64(w*rounds+i), 1000*i+w)
			contents[string(Bytes(uint64(w), 20_000+w))] = true
		}
	}
	stop := make(chan struct{})
	var wg, readers sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				name := fmt.Sprintf("w%d-%d.omsync", w, i)
				if err := s.Put(t.Context(), name, bytes.NewReader(files[name]), int64(len(files[name])), nil); err != nil {
					t.Errorf("Put %s: %v", name, err)
				}
				all := Bytes(uint64(w), 20_000+w)
				if err := s.Put(t.Context(), "all.omsync", bytes.NewReader(all), int64(len(all)), nil); err != nil {
					t.Errorf("Put all.omsync: %v", err)
				}
			}
		})
	}
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			list, err := s.List(t.Context())
			if err != nil {
				t.Errorf("List: %v", err)
				return
			}
			for _, e := range list {
				if b, ok := files[e.Name]; ok && e.Size != int64(len(b)) || !ok && e.Name != "all.omsync" {
					t.Errorf("listed %v", e)
				}
			}
			r, total, err := s.Get(t.Context(), "all.omsync", 0)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			} else if err != nil {
				t.Errorf("Get: %v", err)
				return
			}
			b, err := io.ReadAll(r)
			r.Close()
			if err != nil || int64(len(b)) != total || !contents[string(b)] {
				t.Errorf("read %d bytes of %d that nobody wrote so; %v", len(b), total, err)
			}
		}
	})
	wg.Wait()
	close(stop)
	readers.Wait()
	if t.Failed() {
		return
	}
	all, _ := get(t, s, "all.omsync", 0)
	if !contents[string(all)] {
		t.Error("all.omsync is a mixture")
	}
	files["all.omsync"] = all
	want(t, s, files)
}
