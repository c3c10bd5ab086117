package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/upload"
	"github.com/omsync/omsync/transport/web/webtest"
)

// disk is a disk of which the test says how much is left for uploads.
type disk struct {
	atomic.Int64
	shrink int64 // how much another program writes between two looks
}

func (d *disk) room() (int64, bool) { return d.Add(-d.shrink), true }

// TestUploadsLeaveRoom has a clinic announce more than the hub's disk has room for, and more than its share, while another can send.
func TestUploadsLeaveRoom(t *testing.T) {
	var d disk
	d.Store(400 << 10)
	h := webtest.NewHub(t, func(o *server.Options) { o.Room = d.room })
	announce := func(node, name string, length int) webtest.Raw {
		q := webtest.Announce(node, name, []byte(name))
		q.Header["Upload-Length"] = strconv.Itoa(length)
		return q
	}
	webtest.WantProblem(t, announce("kisumu", "a.omsync", 64<<30).Do(h), 507, "full")
	webtest.WantProblem(t, announce("kisumu", "a.omsync", 101<<10).Do(h), 507, "full")
	for i := range 5 { // a quarter, whatever it is made of
		w := announce("kisumu", fmt.Sprintf("a%d.omsync", i), 25<<10).Do(h)
		if want := map[bool]int{true: 201, false: 507}[i < 4]; w.Code != want {
			t.Errorf("announcement %d: %d %s, want %d", i, w.Code, w.Body, want)
		}
	}
	webtest.Put(t, h.Client("migori", nil), "b.omsync", webtest.Content(1, 75<<10))
	err := h.Client("migori", nil).Put(t.Context(), "c.omsync", bytes.NewReader(make([]byte, 76<<10)), 76<<10, nil)
	if p := webtest.Status(t, err); p.Status != 507 || !errors.Is(err, transport.ErrFull) {
		t.Errorf("more than a share: %v", err)
	}
}

// TestBodyLeavesRoom has another program fill the disk before a body comes, and while it does: what came counts, and it goes on later.
func TestBodyLeavesRoom(t *testing.T) {
	var d disk
	d.Store(1 << 30)
	h := webtest.NewHub(t, func(o *server.Options) { o.Room = d.room })
	data := webtest.Content(1, 300_000)
	w := webtest.Announce("kisumu", "a.omsync", data).Do(h)
	path := w.Header().Get("Location")
	offset := func() int {
		w := webtest.Raw{Method: "HEAD", Path: path, Node: "kisumu"}.Do(h)
		at, err := strconv.Atoi(w.Header().Get("Upload-Offset"))
		if err != nil {
			t.Fatal(w.Code, err)
		}
		return at
	}
	d.Store(299_999)
	w = webtest.Piece("kisumu", path, 0, data).Do(h)
	webtest.WantProblem(t, w, 507, "full")
	if at := offset(); at != 0 {
		t.Errorf("%d bytes came", at)
	}
	d.Store(500_000)
	d.shrink = 150_000
	w = webtest.Piece("kisumu", path, 0, data).Do(h)
	webtest.WantProblem(t, w, 507, "full")
	at := offset()
	if at == 0 || at >= len(data) || w.Header().Get("Upload-Offset") != strconv.Itoa(at) {
		t.Errorf("%d bytes came, the answer says %s", at, w.Header().Get("Upload-Offset"))
	}
	d.shrink = 0
	d.Store(1 << 30)
	if w := webtest.Piece("kisumu", path, at, data[at:]).Do(h); w.Code != 200 {
		t.Errorf("later: %d %s", w.Code, w.Body)
	}
	if !bytes.Equal(h.Stored("a.omsync"), data) {
		t.Error("the file is not what was sent")
	}
}

// TestShareStaysAsItIs has a clinic take whatever it gets, in uploads that lack a byte and in files that are not imported: bytes that
// are on the disk do not get it more than its share of what there was.
func TestShareStaysAsItIs(t *testing.T) {
	const all = 400 << 10
	var h *webtest.Hub
	h = webtest.NewHub(t, func(o *server.Options) {
		o.Mine = func(node, name string) bool { return strings.HasPrefix(name, node+"-") }
		o.Room = func() (int64, bool) { return all - onDisk(t, h.Dir), true }
	})
	for i := range 60 {
		name, data := fmt.Sprintf("kisumu-%d.omsync", i), webtest.Content(uint64(i), 7<<10)
		w := webtest.Announce("kisumu", name, data).Do(h)
		if w.Code != 201 {
			continue
		}
		if w := webtest.Piece("kisumu", w.Header().Get("Location"), 0, data[:len(data)-i%2]).Do(h); w.Code >= 300 {
			t.Errorf("file %d: %d %s", i, w.Code, w.Body)
		}
	}
	if has := onDisk(t, h.Dir); has > all/upload.NodeShare || has < all/upload.NodeShare-7<<10 {
		t.Errorf("it has %d bytes of %d", has, all)
	}
	webtest.Put(t, h.Client("migori", nil), "migori-1.omsync", webtest.Content(100, 75<<10))
}

// onDisk returns how many bytes of files that nodes sent are below a folder.
func onDisk(t *testing.T, dir string) (sum int64) {
	t.Helper()
	for _, pattern := range []string{"uploads/*/*.part", "inbox/*.omsync"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if info, err := os.Stat(f); err == nil { // or it has moved meanwhile
				sum += info.Size()
			}
		}
	}
	return sum
}

// TestClientIsToldOfRoom has the disk fill while a client sends: it hears why, stops, and goes on when there is room.
func TestClientIsToldOfRoom(t *testing.T) {
	var d disk
	h := webtest.NewHub(t, func(o *server.Options) { o.Room = d.room })
	data := webtest.Content(1, 8<<20)
	c := h.Client("kisumu", nil)
	d.Store(64 << 20)
	d.shrink = 2 << 20
	err := c.Put(t.Context(), "a.omsync", bytes.NewReader(data), int64(len(data)), nil)
	if p := webtest.Status(t, err); p.Type != "full" || !errors.Is(err, transport.ErrFull) {
		t.Errorf("the disk fills: %v", err)
	}
	came := onDisk(t, h.Dir)
	if came == 0 || came >= int64(len(data)) {
		t.Errorf("%d bytes came", came)
	}
	d.shrink = 0
	d.Store(64 << 20)
	first := int64(-1)
	err = c.Put(t.Context(), "a.omsync", bytes.NewReader(data), int64(len(data)), func(done int64) {
		if first < 0 {
			first = done
		}
	})
	if err != nil || first != came || !bytes.Equal(h.Stored("a.omsync"), data) {
		t.Errorf("later, from byte %d on in place of %d: %v", first, came, err)
	}
}
