package upload

import (
	"errors"
	"io/fs"
	"strings"
	"time"
)

const (
	// KeepTime is how long a stored file is remembered, and an upload kept that nobody goes on with.
	KeepTime = 30 * 24 * time.Hour
	// MaxUploads is how many unfinished uploads a node may have.
	MaxUploads = 1000
	// YieldTime is how long nobody goes on with an upload before it may make room for another of the node.
	YieldTime = 24 * time.Hour
)

// ErrQuota means that a node has too many uploads, or too large ones, that are not complete.
var ErrQuota = errors.New("too many bytes or uploads that are not complete")

// Quota is what a node may have, in bytes.
type Quota struct {
	Most    int64 // for its uploads and what waits, together
	Waiting int64 // files of the node that are complete and still on the disk
}

// makeRoom sees that a node may begin another upload beside its own and beside others'. Those of its own that nobody went on with for
// YieldTime make room for it.
func (s *Store) makeRoom(u Upload, q Quota) error {
	entries, err := fs.ReadDir(s.root.FS(), u.Node)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	has, count := usage{announced: u.Length, come: s.Size(u.Node, u.ID()), waiting: q.Waiting}, 1
	var old []Upload
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".info")
		if !ok || id == u.ID() {
			continue
		}
		other, err := s.Load(u.Node, id)
		if err != nil {
			s.Drop(u.Node, id)
			continue
		}
		has.announced += other.Length
		has.come += s.Size(u.Node, id)
		count++
		if s.quietTime(u.Node, id) > YieldTime {
			old = append(old, other)
		}
	}
	if has.others, err = s.toCome(u.Node); err != nil {
		return err
	}
	left, told := s.Room() // last: what came since is no room any more
	check := func() error {
		switch {
		case has.announced+has.waiting > q.Most || count > MaxUploads:
			return ErrQuota
		case told:
			return checkShare(left, has)
		}
		return nil
	}
	drop := 0
	for err = check(); err != nil && drop < len(old); err = check() {
		come := s.Size(u.Node, old[drop].ID())
		has.announced -= old[drop].Length
		has.come -= come
		left += come
		count--
		drop++
	}
	if err != nil { // and nothing is dropped in vain
		return err
	}
	for _, o := range old[:drop] {
		s.Drop(o.Node, o.ID())
	}
	return nil
}

// toCome returns how many bytes are still to come of uploads of other nodes than one. Those that nobody went on with for YieldTime
// do not count, or what was once announced would hold its room for KeepTime.
func (s *Store) toCome(but string) (sum int64, err error) {
	infos, err := fs.Glob(s.root.FS(), "*/*.info")
	for _, name := range infos {
		node, id, _ := strings.Cut(strings.TrimSuffix(name, ".info"), "/")
		if node == but || s.quietTime(node, id) > YieldTime {
			continue
		}
		if u, err := s.Load(node, id); err == nil {
			sum += max(u.Length-s.Size(node, id), 0)
		}
	}
	return sum, err
}

// Fits returns [ErrFull] if so many bytes more would leave less than the disk's reserve.
func (s *Store) Fits(more int64) error {
	if left, told := s.Room(); told && more > 0 && more > left {
		return ErrFull
	}
	return nil
}

// quietTime returns how long nothing happened to an upload. The times are the file system's and this computer's.
func (s *Store) quietTime(node, id string) time.Duration {
	s.mu.Lock()
	_, busy := s.locks[node+"/"+id]
	s.mu.Unlock()
	if busy {
		return 0
	}
	quiet := time.Duration(1<<63 - 1)
	for _, name := range []string{infoName(node, id), partName(node, id)} {
		if info, err := s.root.Stat(name); err == nil {
			quiet = min(quiet, time.Since(info.ModTime()))
		}
	}
	return quiet
}

// Sweep removes what is older than [KeepTime]. It does something at most once a day.
func (s *Store) Sweep() {
	s.mu.Lock()
	due := time.Since(s.swept) > 24*time.Hour
	if due {
		s.swept = time.Now()
	}
	s.mu.Unlock()
	if !due {
		return
	}
	fs.WalkDir(s.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < KeepTime {
			return nil
		}
		node, id, _ := strings.Cut(name, "/")
		id, kind, _ := strings.Cut(id, ".")
		if kind == "info" || kind == "part" {
			if s.quietTime(node, id) > KeepTime {
				s.Drop(node, id)
			}
			return nil
		}
		s.root.Remove(name)
		return nil
	})
}
