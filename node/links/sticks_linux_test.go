package links

import (
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
)

func TestIsStick(t *testing.T) {
	const mounts = `22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 8:2 / /media/anna/MY\040STICK rw shared:1 - vfat /dev/sdb1 rw
24 22 0:5 / /run/media/x rw - tmpfs tmpfs rw
25 22 8:3 / /mnt/stick rw - vfat /dev/sdc1 rw
26 22 8:4 / /mnt/a\012b rw - vfat /dev/sdd1 rw
27 22 0:6 / /media/net rw - nfs srv:/x rw
28 22 8:5 / /home/media/stick rw - vfat /dev/sde1 rw
`
	found, err := mountinfo.GetMountsFromReader(strings.NewReader(mounts), func(m *mountinfo.Info) (skip, stop bool) { return !isStick(m), false })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range found {
		got = append(got, m.Mountpoint)
	}
	if want := []string{"/media/anna/MY STICK", "/mnt/stick"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
