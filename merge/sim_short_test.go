package merge_test

import (
	"fmt"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
)

// short returns the rows that a file may name by the beginnings of their keys.
func (s *site) short(l *end, h merge.Header, to string) (keys []string) {
	if !l.NamesShort(h) || s.w.apart || s.owes[to].epoch > h.Base.Epoch {
		return nil
	}
	for _, k := range s.keys() {
		if l.SurelyHas(s.rows[k].Row, l.peer, s.w.direction == access.Both) {
			keys = append(keys, k)
		}
	}
	return keys
}

// looksFor seals, and finds the rows that a file names so: whoever was never restored knows of each of them, and whoever lost a table knows of each
// that is named by who has heard of it.
func (s *site) looksFor(f *file) {
	s.seal()
	if s.w.restores > 0 || f.head.Ack.Epoch < s.lost {
		return
	}
	for _, k := range f.short {
		if _, waits := s.wait[waitKey{k, f.src, 0}]; !s.rows[k].Known && !waits {
			s.w.blame(fmt.Sprintf("%s names %s short, and %s knows nothing of it", f.src, k, s.name))
		}
	}
}
