package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omsync/omsync/keys"
)

// Link is a [[link]]: a way to exchange files with peers.
type Link struct {
	URL     string   `toml:"url"`
	Peer    string   `toml:"peer"`    // of a server: the node that it is
	Peers   []string `toml:"peers"`   // of a store: who uses it; none: all
	Pin     string   `toml:"pin"`     // of a server: the key of its certificate
	BWLimit string   `toml:"bwlimit"` // bytes per second, such as "8KiB"
	Verify  string   `toml:"verify"`  // how often a digest goes to the parent: see VerifyEvery
}

// linkForms are the kinds of links, by the scheme of their address.
const linkForms = "write it as https://HOST:PORT, usb:/PATH, folder:/PATH or s3://BUCKET/PREFIX?endpoint=https://HOST"

// Check returns an error for what is wrong with a link's settings.
func (l *Link) Check() error {
	scheme, rest, ok := strings.Cut(l.URL, ":")
	if !ok {
		return fmt.Errorf("link %q: %s", l.URL, linkForms)
	}
	switch scheme {
	case "http", "https":
		if u, err := url.Parse(l.URL); err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
			return fmt.Errorf("link %q: %s", l.URL, linkForms)
		}
		if l.Peer == "" {
			return fmt.Errorf(`link %s: say which node it is: peer = "hub"`, l.URL)
		}
	case "usb", "folder", "s3":
		if strings.HasPrefix(rest, "//") && !strings.HasPrefix(rest, "///") && scheme != "s3" {
			return fmt.Errorf("link %s: write a path behind the colon, as in %s:/%s", l.URL, scheme, rest[2:])
		}
		if l.Peer != "" || l.Pin != "" {
			return fmt.Errorf("link %s: peer and pin are for servers: use peers = [...] to say who uses it", l.URL)
		}
	default:
		return fmt.Errorf("link %q: %s", l.URL, linkForms)
	}
	for _, name := range append(slices.Clone(l.Peers), l.Peer) {
		if name != "" && keys.ValidName(name) != nil {
			return fmt.Errorf("link %s: %q is no node's name", l.URL, name)
		}
	}
	if _, err := l.verifyEvery(); err != nil {
		return err
	}
	_, err := l.BytesPerSecond()
	return err
}

// VerifyEvery returns how often a run carries a digest to the parent over the link; 0: never. Without a word, once a week.
func (l *Link) VerifyEvery() time.Duration {
	every, _ := l.verifyEvery() // the configuration is checked
	return every
}

func (l *Link) verifyEvery() (time.Duration, error) {
	const day = 24 * time.Hour
	switch l.Verify {
	case "", "weekly":
		return 7 * day, nil
	case "off":
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(l.Verify, "d"))
	if err != nil || n < 1 || n > 366 {
		return 0, fmt.Errorf(`link %s: verify = %q: write "weekly", "off", or days such as "3d"`, l.URL, l.Verify)
	}
	return time.Duration(n) * day, nil
}

// FromHere makes the path of a link that stood on the command line count from the present folder, as all paths there do.
func (l *Link) FromHere() error {
	scheme, path, _ := strings.Cut(l.URL, ":")
	if scheme != "usb" && scheme != "folder" {
		return nil
	}
	path, err := filepath.Abs(strings.TrimPrefix(path, "//"))
	l.URL = scheme + ":" + path
	return err
}

// BytesPerSecond returns what bwlimit allows; 0: all there is.
func (l *Link) BytesPerSecond() (int64, error) {
	if l.BWLimit == "" || l.BWLimit == "0" {
		return 0, nil
	}
	n, err := ParseBytes(strings.TrimSuffix(l.BWLimit, "/s"))
	if err != nil || n < 512 {
		return 0, fmt.Errorf("bwlimit %q: write bytes per second like 8KiB or 1MB, at least 512", l.BWLimit)
	}
	return n, nil
}

// Users returns the nodes that the link leads to; none: all that come by.
func (l *Link) Users() []string {
	if l.Peer != "" {
		return []string{l.Peer}
	}
	return l.Peers
}
