package links

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/transport"
)

// A stick is written to only where one is mounted: a folder on the home folder's own file system is none.
func TestStickThatIsNotMounted(t *testing.T) {
	dir := t.TempDir()
	n := &node.Node{Config: &config.Config{Home: dir, Node: "hub"}}
	for _, path := range []string{dir, filepath.Join(dir, "none"), "relative"} {
		open := Openers(n, nil, []config.Link{{URL: "usb:" + path}})[0].Open
		if here, err := device(dir); err == nil && here == 0 && path == dir {
			continue // a system that cannot tell
		}
		if _, err := open(t.Context()); !errors.Is(err, transport.ErrDown) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	n := &node.Node{Config: &config.Config{Home: dir, Node: "hub"}}
	openers := Openers(n, nil, []config.Link{{URL: "folder:" + dir, Peers: []string{"a", "b"}}, {URL: "folder:none"}, {URL: "folder:.", BWLimit: "1KiB"}})
	if !slices.Equal(openers[0].Peers, []string{"a", "b"}) || openers[0].Name != "folder:"+dir {
		t.Errorf("%+v", openers[0])
	}
	for _, i := range []int{0, 2} { // a path counts from the home folder
		l, err := openers[i].Open(t.Context())
		if err != nil {
			t.Errorf("%s: %v", openers[i].Name, err)
			continue
		}
		l.Store.Close()
	}
	if _, err := openers[1].Open(t.Context()); !errors.Is(err, transport.ErrDown) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestLimiter(t *testing.T) {
	for limit, want := range map[string]float64{"": 0, "0": 0, "8KiB": 8192, "1MB/s": 1e6} {
		r, err := limiter(&config.Link{BWLimit: limit})
		if err != nil || (r == nil) != (want == 0) || r != nil && float64(r.Limit()) != want {
			t.Errorf("%q: %v, %v", limit, r, err)
		}
	}
	if _, err := limiter(&config.Link{BWLimit: "3"}); err == nil {
		t.Error("3 bytes per second")
	}
}
