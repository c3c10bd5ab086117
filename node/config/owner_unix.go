//go:build unix

package config

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Owner returns the account that a folder belongs to, if it is another than this run's; "" if it is this one's, or not there.
func Owner(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(s.Uid) == os.Geteuid() {
		return ""
	}
	id := strconv.FormatUint(uint64(s.Uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "#" + id // as sudo takes it
}
