package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/omsync/omsync/node/config"
)

// put mounts a file system of its own, as a stick that is put in.
func put(t *testing.T, at string, folders ...string) (pull func()) {
	t.Helper()
	if err := os.MkdirAll(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("stick", at, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	in := true
	pull = func() {
		if in {
			in = false
			if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(pull)
	for _, f := range folders {
		if err := os.MkdirAll(filepath.Join(at, f), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return pull
}

func TestSticks(t *testing.T) {
	dir := t.TempDir()
	media := filepath.Join(dir, "media")
	var said []string
	var status string
	s := sticks{home: dir, roots: []string{media}, say: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) },
		status: func(text string) { status = text }}
	says := func(want string) {
		t.Helper()
		if n := len(said); n == 0 || !strings.Contains(said[n-1], want) {
			t.Errorf("it says %q, not %q", said, want)
		}
	}
	if got := s.look(); len(got) != 0 {
		t.Fatalf("without a stick: %q", got)
	}
	if err := os.MkdirAll(filepath.Join(media, "folder", "omsync"), 0o700); err != nil { // a folder is no stick
		t.Fatal(err)
	}
	pull := put(t, filepath.Join(media, "ann", "A STICK"), "omsync")
	put(t, filepath.Join(media, "ann", "photos"), "pictures") // not meant for omsync
	one := s.look()
	if len(one) != 1 {
		t.Fatalf("a stick: %q", one)
	}
	if l, _ := s.link(one[0]); l.URL != "usb:"+filepath.Join(media, "ann", "A STICK", "omsync") || l.Check() != nil {
		t.Errorf("%+v, %v", l, l.Check())
	}
	s.found(one[0])
	says("leave it in")
	if got := s.look(); !slices.Equal(got, one) {
		t.Errorf("a second look: %q", got)
	}
	s.ended(one[0], false)
	says("is not done: it is tried again")
	s.ended(one[0], true)
	says("it may be pulled out now")
	if !strings.Contains(status, "may be pulled out now") {
		t.Errorf("status %q", status)
	}
	n := len(said)
	pull()
	if got := s.look(); len(got) != 0 || len(said) != n {
		t.Errorf("pulled out when done: %q, %q", got, said[n:])
	}
	// One that is pulled out too early is told of.
	pull = put(t, filepath.Join(media, "ann", "A STICK"), "omsync")
	if two := s.look(); len(two) != 1 {
		t.Errorf("put in again: %q", two)
	}
	pull()
	s.look()
	says("was pulled out before it was done: nothing is lost")
	// A stick of a link is used whole, and once.
	link := config.Link{URL: "usb:" + filepath.Join(media, "here")}
	s.configured = []config.Link{link}
	if got := s.look(); len(got) != 0 {
		t.Errorf("a link without its stick: %q", got)
	}
	put(t, filepath.Join(media, "here"), "omsync")
	got := s.look()
	if len(got) != 1 {
		t.Fatalf("the stick of a link: %q", got)
	}
	if l, _ := s.link(got[0]); l.URL != link.URL {
		t.Errorf("%+v", l)
	}
}
