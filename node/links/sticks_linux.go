package links

import (
	"io"
	"os"
	"strings"
)

// maxMounts bounds what is read of the list of mounted file systems, in bytes.
const maxMounts = 1 << 20

// mountedSticks returns where sticks are mounted that nobody configured.
func mountedSticks() []string {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMounts))
	if err != nil {
		return nil
	}
	return sticksIn(string(b))
}

// sticksIn returns the sticks among mounted file systems, as the kernel lists them: those of devices, below the folders in which desktops and
// people mount what comes and goes.
func sticksIn(mounts string) []string {
	var out []string
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		if len(f) < 2 || !strings.HasPrefix(f[0], "/dev/") {
			continue
		}
		path := unescape.Replace(f[1])
		for _, below := range []string{"/media/", "/run/media/", "/mnt/"} {
			if strings.HasPrefix(path, below) && !strings.ContainsAny(path, "\n\r") {
				out = append(out, path)
				break
			}
		}
	}
	return out
}
