package transport

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestRoomFor(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for _, c := range []struct {
		more, free, all int64
		fits            bool
	}{
		{0, 0, 100 * gib, true}, // there is nothing to come
		{1, 0, 100 * gib, false},
		{9 * gib, 10 * gib, 100 * gib, true}, // the reserve is 1 GiB
		{9*gib + 1, 10 * gib, 100 * gib, false},
		{55 * mib, 60 * mib, 100 * mib, true}, // it is 5 MiB
		{55*mib + 1, 60 * mib, 100 * mib, false},
		{1, 1, 10, true},
		{2, 1, 10, false},
		{8 * gib, 4 * gib, 8 * gib, false},
	} {
		err := roomFor(c.more, c.free, c.all)
		if (err == nil) != c.fits || err != nil && !errors.Is(err, ErrFull) {
			t.Errorf("%d bytes, where %d of %d are free: %v", c.more, c.free, c.all, err)
		}
	}
}

func TestRoomIn(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, all, ok := diskRoom(f)
	if left, told := RoomIn(dir); told != ok || ok && (left > all-reserve(all) || left < -reserve(all)) {
		t.Errorf("%d bytes are left of %d, told: %t, %t", left, all, told, ok)
	}
	if _, told := RoomIn(filepath.Join(dir, "none")); told {
		t.Error("a folder that is not there tells")
	}
}
