package cards

import (
	"sync"

	"github.com/omsync/omsync/keys"
)

// Cache keeps the cards of peers that were checked, which takes long: for who asks of many again and again. What was revoked or is to come is
// read each time. The zero Cache is empty.
type Cache struct {
	mu sync.Mutex
	of map[string]checked // by the peer's name
}

type checked struct {
	stored string
	card   keys.Card
}

// Read is [Read].
func (c *Cache) Read(home, peer string, stored []byte) (*Peer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.of[peer]
	if !ok || known.stored != string(stored) {
		card, err := parse(peer, stored)
		if err != nil {
			return nil, err
		}
		if c.of == nil {
			c.of = map[string]checked{}
		}
		known = checked{string(stored), card}
		c.of[peer] = known
	}
	return readOf(home, peer, known.card)
}
