package web

import (
	"sync"
	"time"
)

const (
	clockSlack = 5 * time.Minute // how far a node's clock may be off
	// nonceLife is how long a nonce must be known: a request of a clock that is clockSlack ahead is good for twice as long.
	nonceLife = 2 * clockSlack
	maxNonces = 20000 // that one node may use up within nonceLife
)

// nonces knows which nonces were used, for at least nonceLife. Two generations bound its memory.
type nonces struct {
	mu       sync.Mutex
	now, old map[string]map[[16]byte]struct{} // by node
	since    time.Time
}

// use says whether the nonce is new, and whether the node has used too many to tell.
func (n *nonces) use(node string, nonce [16]byte, at time.Time) (fresh, many bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now == nil || at.Sub(n.since) >= nonceLife {
		if n.old = n.now; at.Sub(n.since) >= 2*nonceLife {
			n.old = nil
		}
		n.now, n.since = map[string]map[[16]byte]struct{}{}, at
	}
	if _, ok := n.now[node][nonce]; ok {
		return false, false
	}
	if _, ok := n.old[node][nonce]; ok {
		return false, false
	}
	if len(n.now[node]) >= maxNonces {
		return false, true
	}
	if n.now[node] == nil {
		n.now[node] = map[[16]byte]struct{}{}
	}
	n.now[node][nonce] = struct{}{}
	return true, false
}
