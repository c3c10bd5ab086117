package httpsig

import (
	"sync"
	"time"
)

const (
	// ClockSlack is how far a signer's clock may be off.
	ClockSlack = 5 * time.Minute
	// MaxNonces is how many requests one signer may send within 2 × ClockSlack.
	MaxNonces = 20000
	// nonceLife is how long a nonce must be known: a request of a clock that is ClockSlack ahead is good for twice as long.
	nonceLife = 2 * ClockSlack
)

// Nonces knows which nonces were used, for at least 2 × [ClockSlack]. Two generations, and [MaxNonces], bound its memory. The
// zero value is ready.
type Nonces struct {
	mu       sync.Mutex
	now, old map[string]map[[16]byte]struct{} // by signer
	begun    time.Time                        // when now began
}

// Use uses up a nonce. It reports whether it was new, and whether the signer has used too many to tell.
func (n *Nonces) Use(keyID string, nonce [16]byte, at time.Time) (fresh, tooMany bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now == nil || at.Sub(n.begun) >= nonceLife {
		if n.old = n.now; at.Sub(n.begun) >= 2*nonceLife {
			n.old = nil
		}
		n.now, n.begun = map[string]map[[16]byte]struct{}{}, at
	}
	if _, ok := n.now[keyID][nonce]; ok {
		return false, false
	}
	if _, ok := n.old[keyID][nonce]; ok {
		return false, false
	}
	if len(n.now[keyID]) >= MaxNonces {
		return false, true
	}
	if n.now[keyID] == nil {
		n.now[keyID] = map[[16]byte]struct{}{}
	}
	n.now[keyID][nonce] = struct{}{}
	return true, false
}
