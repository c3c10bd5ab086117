package links

import (
	"slices"
	"testing"
)

func TestSticksIn(t *testing.T) {
	const mounts = "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /media/anna/MY\\040STICK vfat rw 0 0\ntmpfs /run/media/x tmpfs rw 0 0\n/dev/sdc1 /mnt/stick vfat rw 0 0\n\n/dev/sdd1\n/dev/sdd1 /mnt/a\\012b vfat rw 0 0\nsrv:/x /media/net nfs rw 0 0\n"
	if got, want := sticksIn(mounts), []string{"/media/anna/MY STICK", "/mnt/stick"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
