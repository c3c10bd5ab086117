package links

import (
	"strings"

	"github.com/omsync/omsync/internal/disk"
	"github.com/omsync/omsync/node"
)

// Stick is where a stick is, or is to be.
type Stick struct {
	URL, Path string
	There     bool
	Free      uint64 // bytes; 0: not known
}

// Sticks returns the sticks and folders that are configured as links, and the other sticks that are mounted where desktops and people mount
// them.
func Sticks(n *node.Node) []Stick {
	var out []Stick
	seen := map[string]bool{}
	add := func(url, path string, there bool) {
		if seen[path] {
			return
		}
		seen[path] = true
		s := Stick{URL: url, Path: path, There: there}
		if there {
			s.Free, _ = disk.Free(path)
		}
		out = append(out, s)
	}
	for i := range n.Links {
		scheme, rest, _ := strings.Cut(n.Links[i].URL, ":")
		path := n.Path(strings.TrimPrefix(rest, "//"))
		switch scheme {
		case "usb":
			add(n.Links[i].URL, path, Mounted(n.Home, path) == nil)
		case "folder":
			_, err := device(path)
			add(n.Links[i].URL, path, err == nil)
		}
	}
	for _, path := range mountedSticks() {
		add("usb:"+path, path, Mounted(n.Home, path) == nil)
	}
	return out
}
