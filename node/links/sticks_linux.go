package links

import (
	"strings"

	"github.com/moby/sys/mountinfo"
)

// mountedSticks returns where sticks are mounted that nobody configured.
func mountedSticks() (out []string) {
	found, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return !isStick(m), false })
	if err != nil {
		return nil
	}
	for _, m := range found {
		out = append(out, m.Mountpoint)
	}
	return out
}

// isStick reports whether a mounted file system is a stick: that of a device, below a folder in which desktops and people mount what comes and
// goes.
func isStick(m *mountinfo.Info) bool {
	if !strings.HasPrefix(m.Source, "/dev/") || strings.ContainsAny(m.Mountpoint, "\n\r") {
		return false
	}
	for _, below := range []string{"/media/", "/run/media/", "/mnt/"} {
		if strings.HasPrefix(m.Mountpoint, below) {
			return true
		}
	}
	return false
}
