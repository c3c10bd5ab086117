package apply

import (
	"context"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
)

// Plan picks, of many files, those that take this node furthest, in the order in which they apply: of each sender the one
// that reaches furthest from where this node is, then on from there. The rest are covered by these, build on what is not
// here, or are not for this node. The headers are clear text that nobody has vouched for yet: a plan is only an order.
func Plan(ctx context.Context, j *journal.Journal, headers []*batch.Header) ([]int, error) {
	peers, err := journal.Peers(ctx, j.DB)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, p := range peers {
		at, load, part := p.Link.Applied.Epoch, p.Link.Receiving.ID, p.Link.Receiving.Part
		for {
			best := -1
			for i, h := range headers {
				if h.Sender != p.Name || h.Receiver != j.Self || h.Base.Epoch > at || h.Upto.Epoch <= at {
					continue
				}
				if h.Load != 0 && !(h.Load == load && h.Part == part+1 || h.Load != load && h.Part == 1 && part == 0) {
					continue
				}
				if best < 0 || further(h, headers[best]) {
					best = i
				}
			}
			if best < 0 {
				break
			}
			out = append(out, best)
			h := headers[best]
			load, part = h.Load, h.Part
			if h.Load == 0 || h.Last {
				at, load, part = h.Upto.Epoch, 0, 0
			}
		}
	}
	return out, nil
}

// further prefers what reaches further; of files that reach equally far the later made.
func further(a, b *batch.Header) bool {
	if a.Upto.Epoch != b.Upto.Epoch {
		return a.Upto.Epoch > b.Upto.Epoch
	}
	return a.Time > b.Time
}
