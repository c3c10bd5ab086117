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

// makeRoom sees that a node may begin another upload: all together may have so many bytes. Those that nobody went on with for
// YieldTime make room for it.
func (s *Store) makeRoom(u Upload, most int64) error {
	entries, err := fs.ReadDir(s.root.FS(), u.Node)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sum, count := u.Length, 1
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
		sum += other.Length
		count++
		if s.quietTime(u.Node, id) > YieldTime {
			old = append(old, other)
		}
	}
	for _, o := range old {
		if sum <= most && count <= MaxUploads {
			break
		}
		s.Drop(o.Node, o.ID())
		sum -= o.Length
		count--
	}
	if sum > most || count > MaxUploads {
		return ErrQuota
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
