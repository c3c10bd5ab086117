package exchange

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/transport"
)

// Link is a way to exchange files with peers.
type Link struct {
	transport.Store
	Name   string   // its address, as users know it
	Peers  []string // whom it is to be used for; none: all
	Peer   string   // the one peer at its other end; "" for a store that all use
	Bucket bool     // a store that all use, where each look into a file is a request
	// Refusal returns why the peer would not apply a file that it was just sent; "" if it did, or has not said. nil: nobody can know.
	Refusal func(file string) string
}

func (l *Link) String() string { return l.Name }

// Unwrap returns the store that the link leads to.
func (l *Link) Unwrap() transport.Store { return l.Store }

// shared reports whether other nodes' files are in the store too.
func (l *Link) shared() bool { return l.Peer == "" }

// Transfer is a file that went over a link.
type Transfer struct {
	Link, File string
	Bytes      int64
	Took       time.Duration
	Refused    string // why the peer would not apply it; "" if it did, or has not said
}

// serves reports whether a link that is for some peers, or for all if none is named, is for this one.
func serves(peers []string, peer string) bool { return len(peers) == 0 || slices.Contains(peers, peer) }

// MadeBy reports whether a file's name is one that sender gives to a batch for receiver. A node that takes files from all its
// peers under such names alone takes none that would replace another peer's.
func MadeBy(name, sender, receiver string) bool {
	n, err := batch.ParseFileName(name)
	return err == nil && n.Between(sender, receiver)
}

// headerInStore reads the header of a file in a store; nil if it is no batch.
func headerInStore(ctx context.Context, s transport.Store, name string) (*batch.Header, error) {
	r, _, err := s.Get(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	source := &errorKeeper{r: r}
	h, err := orKeptPart(batch.ReadHeader(source))
	if err != nil && source.err != nil {
		return nil, fmt.Errorf("read %s: %w", name, source.err)
	}
	return h, nil
}

// errorKeeper remembers what went wrong with the reading itself, as against what was read.
type errorKeeper struct {
	r   io.Reader
	err error
}

func (k *errorKeeper) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && err != io.EOF {
		k.err = err
	}
	return n, err
}
