package apply

import (
	"context"
	"errors"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// meter counts what the sender of a batch uses of its quotas. It stands in the peer's row, which the import's transaction writes.
type meter struct {
	peer   *journal.Peer
	limits access.Amounts
}

func newMeter(p *journal.Peer, o Options) *meter {
	limits := o.Quotas
	if limits == nil {
		limits = access.DefaultLimits()
	}
	return &meter{p, limits}
}

// use counts n more of a quota, or returns an *access.OverQuota.
func (m *meter) use(q access.Quota, n int) error {
	return m.peer.Used.Use(m.limits, m.peer.Role, m.peer.Name, q, uint64(n))
}

// useOfHeader counts what a header that was judged has brought, where before is how many earlier histories of the peer were known.
func (m *meter) useOfHeader(d merge.Decision, before int) error {
	more := len(m.peer.Link.Retired) - before
	restores, histories := 0, 0
	if d.Rejoin != nil {
		restores = 1
	}
	if d.NewHistory {
		histories = 1
	}
	return errors.Join(m.use(access.Histories, more), m.use(access.Restores, restores), m.use(access.NewHistories, histories))
}

// stop notes at the peer what one of its files would have used too much of, if that is what the error says, and returns the error.
func (a *attempt) stop(ctx context.Context, err error) error {
	var over *access.OverQuota
	if a.o.DryRun || !errors.As(err, &over) {
		return err
	}
	return errors.Join(err, journal.StopPeer(ctx, a.j.DB, over))
}
