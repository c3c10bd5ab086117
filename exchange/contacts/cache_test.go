package contacts

import (
	"os"
	"testing"
)

// What is kept is what the record says now.
func TestCache(t *testing.T) {
	home := t.TempDir()
	var c Cache
	same := func(what string) {
		t.Helper()
		for range 2 {
			for _, link := range []uint64{7, 8} {
				got, err := c.ReadHabit(home, "kisumu", link)
				want, wrong := ReadHabit(home, "kisumu", link)
				if err != nil || wrong != nil || !got.Last.Equal(want.Last) || len(got.Gaps) != len(want.Gaps) || len(got.Days) != 0 {
					t.Errorf("%s: %+v, want %+v (%v, %v)", what, got, want, err, wrong)
				}
			}
		}
	}
	same("nothing")
	for i, h := range []float64{0, 24, 48} {
		if err := Record(home, "kisumu", 7, File{Made: at(h), News: true}, at(h)); err != nil {
			t.Fatal(err)
		}
		same("a record")
		if got, err := c.ReadHabit(home, "kisumu", 7); err != nil || !got.Last.Equal(at(h)) || len(got.Gaps) != i {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if err := os.Remove(path(home, "kisumu")); err != nil {
		t.Fatal(err)
	}
	same("a record that is gone")
	if got, err := c.ReadHabit(home, "../kisumu", 7); err != nil || !got.Last.IsZero() {
		t.Errorf("a path: %+v, %v", got, err)
	}
}
