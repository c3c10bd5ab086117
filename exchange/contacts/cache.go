package contacts

import (
	"os"
	"sync"
	"time"

	"github.com/omsync/omsync/internal/nodename"
)

// Cache keeps the habits of peers whose records have not changed: for who asks of many again and again. The zero Cache is empty.
type Cache struct {
	mu sync.Mutex
	of map[string]cached // by the record's path
}

type cached struct {
	link    uint64
	size    int64
	changed time.Time
	known   Contacts
}

// ReadHabit is [ReadHabit]. What it returns is shared: nobody changes it.
func (c *Cache) ReadHabit(home, peer string, link uint64) (Contacts, error) {
	if nodename.Check(peer) != nil {
		return Contacts{}, nil
	}
	name := path(home, peer)
	info, err := os.Stat(name)
	if err != nil { // there is none, or nobody can read it
		return ReadHabit(home, peer, link)
	}
	c.mu.Lock()
	before, ok := c.of[name]
	c.mu.Unlock()
	if ok && before.link == link && before.size == info.Size() && before.changed.Equal(info.ModTime()) {
		return before.known, nil
	}
	known, err := ReadHabit(home, peer, link)
	if err != nil {
		return Contacts{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]cached{}
	}
	c.of[name] = cached{link, info.Size(), info.ModTime(), known}
	return known, nil
}
