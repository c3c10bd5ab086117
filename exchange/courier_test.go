package exchange

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// Sticks and a share that lose, repeat, delay and damage files, in random order: in the end everybody has everything, nobody
// has anything to say, and nothing is left lying about.
func TestCouriersInRandomOrder(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 4))
			_, all := tree(t, "kisumu", "migori")
			names := []string{"hub", "kisumu", "migori"}
			media := []string{t.TempDir(), t.TempDir(), t.TempDir()}
			var shelf []string // copies of media as they once were
			for range 60 {
				n := all[names[r.IntN(3)]]
				m := media[r.IntN(3)]
				files := batches(t, m)
				switch r.IntN(10) {
				case 0, 1, 2:
					size := 10
					if r.IntN(4) == 0 {
						size = gatherLimit / 2
					}
					n.write(fmt.Sprintf("w%d", r.IntN(6)), bulk(size))
				case 3: // a stick is lost, or a file of it
					for _, name := range files {
						if r.IntN(2) == 0 {
							remove(t, filepath.Join(m, name))
						}
					}
				case 4: // a copy is kept
					dir := t.TempDir()
					if err := os.CopyFS(dir, os.DirFS(m)); err != nil {
						t.Fatal(err)
					}
					shelf = append(shelf, dir)
				case 5: // and comes back
					if len(shelf) > 0 {
						from := shelf[r.IntN(len(shelf))]
						for _, name := range batches(t, from) {
							copyFile(t, filepath.Join(from, name), filepath.Join(m, name))
						}
					}
				case 6: // a bad sector
					if len(files) > 0 {
						damage(t, r, filepath.Join(m, files[r.IntN(len(files))]))
					}
				default:
					if r.IntN(3) == 0 {
						n.sync(m, media[r.IntN(3)])
					} else {
						n.sync(m)
					}
				}
			}
			// What is damaged on a medium stays there: it is told each time. Here somebody takes new sticks.
			stick := t.TempDir()
			for range 12 {
				for _, name := range names {
					all[name].sync(stick)
				}
			}
			same(t, all)
			for _, name := range names {
				all[name].sync(stick)
				if told := all[name].told; len(told) != 0 {
					t.Errorf("%s still has something to say: %q", name, told)
				}
				for _, dir := range []string{"inbox", "outbox/hub", "outbox/kisumu", "outbox/migori"} {
					if left := batches(t, filepath.Join(all[name].x.Home, dir)); len(left) != 0 {
						t.Errorf("%s: %s holds %q", name, dir, left)
					}
				}
			}
			if left := batches(t, stick); len(left) != 0 {
				t.Errorf("left on the stick: %q", left)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func damage(t *testing.T, r *rand.Rand, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := r.IntN(len(b))
	if r.IntN(2) == 0 {
		b = b[:at]
	} else {
		b[at] ^= byte(1 << r.IntN(8))
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
