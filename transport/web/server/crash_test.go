package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/upload"
	"github.com/omsync/omsync/transport/web/webtest"
)

// A server that was killed between the inbox and its note knows the file by itself.
func TestKilledBeforeTheNote(t *testing.T) {
	h := webtest.NewHub(t, nil)
	data := webtest.Content(1, 100_000)
	c := h.Client("kisumu", nil)
	webtest.Put(t, c, "a.omsync", data)
	os.RemoveAll(filepath.Join(h.Dir, "uploads", "kisumu", "done"))
	w := webtest.Announce("kisumu", "a.omsync", data).Do(h)
	if w.Code != 200 || w.Header().Get("Upload-Offset") != "100000" {
		t.Errorf("%d, offset %s", w.Code, w.Header().Get("Upload-Offset"))
	}
	if w = webtest.Announce("kisumu", "a.omsync", webtest.Content(2, 100_000)).Do(h); w.Code != 201 {
		t.Errorf("another file: %d", w.Code)
	}
}

// One that was killed with all bytes there, but nothing done with them, does it when the file is offered again.
func TestKilledBeforeTheCheck(t *testing.T) {
	refuse := true
	h := webtest.NewHub(t, func(o *server.Options) {
		check := o.Check
		o.Check = func(ctx context.Context, node, name string, r io.ReaderAt, size int64) error {
			if refuse {
				return &web.Problem{Status: 503, Type: "busy", Detail: "not now"}
			}
			return check(ctx, node, name, r, size)
		}
	})
	data := webtest.Content(1, 1000)
	w := webtest.Announce("kisumu", "a.omsync", data).Do(h)
	path := w.Header().Get("Location")
	webtest.WantProblem(t, webtest.Piece("kisumu", path, 0, data).Do(h), 503, "busy")
	h.Restart()
	webtest.WantProblem(t, webtest.Announce("kisumu", "a.omsync", data).Do(h), 503, "busy")
	refuse = false
	if w = webtest.Announce("kisumu", "a.omsync", data).Do(h); w.Code != 200 || !bytes.Equal(h.Stored("a.omsync"), data) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// fullDisk has room for some bytes only.
type fullDisk struct {
	upload.Part
	room int64
}

func (f *fullDisk) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.room {
		n := max(0, f.room-off)
		f.Part.WriteAt(p[:n], off)
		return int(n), &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return f.Part.WriteAt(p, off)
}

func TestFullDisk(t *testing.T) {
	h := webtest.NewHub(t, nil)
	uploads := h.Server.Load().Uploads()
	open := uploads.OpenPart
	room := int64(100_000)
	uploads.OpenPart = func(u upload.Upload) (upload.Part, error) {
		f, err := open(u)
		return &fullDisk{f, room}, err
	}
	data := webtest.Content(1, 500_000)
	c := h.Client("kisumu", nil)
	err := c.Put(t.Context(), "a.omsync", bytes.NewReader(data), int64(len(data)), nil)
	if !errors.Is(err, transport.ErrFull) || webtest.Status(t, err).Type != "full" {
		t.Fatal(err)
	}
	room = 1 << 30
	webtest.Put(t, c, "a.omsync", data)
	if !bytes.Equal(h.Stored("a.omsync"), data) {
		t.Error("the file is another")
	}
}

// TestFullBeforeTheNote has the disk be full just when a file is in the inbox: once it is offered again it is seen to.
func TestFullBeforeTheNote(t *testing.T) {
	var arrived []string
	h := webtest.NewHub(t, func(o *server.Options) {
		o.Arrived = func(_ context.Context, _, name string) (web.Receipt, error) {
			arrived = append(arrived, name)
			return web.Receipt{Outcome: "applied"}, nil
		}
	})
	data := webtest.Content(1, 1000)
	done := filepath.Join(h.Dir, "uploads", "kisumu", "done")
	path := webtest.Announce("kisumu", "a.omsync", data).Do(h).Header().Get("Location")
	if err := os.WriteFile(done, nil, 0o600); err != nil { // a file where the folder of notes should be
		t.Fatal(err)
	}
	if w := webtest.Piece("kisumu", path, 0, data).Do(h); w.Code != http.StatusInternalServerError || len(arrived) != 0 || h.Stored("a.omsync") == nil {
		t.Fatalf("%d, arrived %q", w.Code, arrived)
	}
	if err := os.Remove(done); err != nil {
		t.Fatal(err)
	}
	if w := webtest.Announce("kisumu", "a.omsync", data).Do(h); w.Code != 200 || len(arrived) != 1 || !strings.Contains(w.Body.String(), "applied") {
		t.Errorf("%d %s, arrived %q", w.Code, w.Body, arrived)
	}
}

// The folder for uploads and the inbox on two file systems.
func TestOtherFileSystem(t *testing.T) {
	const shm = "/dev/shm"
	dir, err := os.MkdirTemp(shm, "omsync-test-")
	if err != nil {
		t.Skip("no second file system")
	}
	defer os.RemoveAll(dir)
	h := webtest.NewHub(t, func(o *server.Options) { o.Uploads = filepath.Join(dir, "uploads") })
	data := webtest.Content(1, 500_000)
	webtest.Put(t, h.Client("kisumu", nil), "a.omsync", data)
	if !bytes.Equal(h.Stored("a.omsync"), data) {
		t.Error("the file is another")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "uploads", "kisumu", "*.*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
