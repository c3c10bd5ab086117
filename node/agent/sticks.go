package agent

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/links"
)

// sticks are the sticks that are there: those of links, and those below the folders where the system mounts them that have a folder omsync.
type sticks struct {
	home       string
	configured []config.Link
	roots      []string
	there      map[string]config.Link // by the address and the number of the mount
	tried      map[string]bool        // of those: a run over it has failed
	done       map[string]bool        // of those: it may be pulled out
	say        func(format string, args ...any)
	status     func(text string)
}

// mount is a file system that is mounted.
type mount struct {
	path string
	id   string // its number: see mountOf
}

// look returns the keys of the sticks that are there, sorted.
func (s *sticks) look() (keys []string) {
	before := s.there
	s.there = map[string]config.Link{}
	all := mounts(s.roots)
	for _, l := range s.configured {
		path := l.Folder()
		if !filepath.IsAbs(path) {
			path = filepath.Join(s.home, path)
		}
		if links.Mounted(s.home, path) == nil {
			s.there[l.URL+" "+mountOf(path)] = l
		}
	}
	for _, m := range all {
		folder := filepath.Join(m.path, config.StickName)
		l := config.Link{URL: "usb:" + folder}
		taken := slices.ContainsFunc(s.configured, func(c config.Link) bool { return c.Folder() == folder || c.Folder() == m.path })
		if info, err := os.Stat(folder); err != nil || !info.IsDir() || taken || links.Mounted(s.home, folder) != nil {
			continue
		}
		s.there[l.URL+" "+m.id] = l
	}
	for key, l := range before {
		if _, ok := s.there[key]; !ok {
			if !s.done[key] {
				s.say("the stick at %s was pulled out before it was done: nothing is lost; put it in again", l.Folder())
			}
			delete(s.done, key)
			delete(s.tried, key)
		}
	}
	for key := range s.there {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// link returns the link to a stick that is there.
func (s *sticks) link(key string) (config.Link, bool) {
	l, ok := s.there[key]
	return l, ok
}

// found is called once for each stick that was put in.
func (s *sticks) found(key string) {
	l := s.there[key]
	path := l.Folder()
	s.say("a stick at %s: leave it in until it is done", path)
	s.status("at work on the stick at " + path + ": leave it in")
}

// ended notes what a run over a stick came to.
func (s *sticks) ended(key string, ok bool) {
	if s.tried == nil {
		s.tried, s.done = map[string]bool{}, map[string]bool{}
	}
	l := s.there[key]
	path := l.Folder()
	if ok {
		if err := flush(path); err != nil {
			s.say("the stick at %s: %v", path, err)
			ok = false
		}
	}
	switch {
	case ok:
		s.done[key] = true
		s.say("the stick at %s is done: it may be pulled out now", path)
		s.status("the stick at " + path + " may be pulled out now")
	case !s.tried[key]:
		s.tried[key] = true
		s.say("the stick at %s is not done: it is tried again while it is in", path)
		s.status("the stick at " + path + " is not done: see the log")
	}
}

// quiet reports whether no stick has anything that people should know.
func (s *sticks) quiet() bool { return len(s.there) == 0 }
