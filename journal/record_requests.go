package journal

import (
	"slices"

	"github.com/omsync/omsync/merge"
)

// requestsRecord is what two peers asked each other to send again, as omsync_peer.requests holds it: epochs by the names of tables.
type requestsRecord struct {
	Version   int               `json:"version"`
	Requested map[string]uint64 `json:"requested,omitempty"`
	Lost      map[string]uint64 `json:"lost,omitempty"` // since format 3
	Answered  map[string]uint64 `json:"answered,omitempty"`
	// Since format 3.
	Owed   map[string]owedRecord `json:"owed,omitempty"`
	Gained map[string][]string   `json:"gained,omitempty"` // since format 4
}

type owedRecord struct {
	Epoch  uint64   `json:"epoch"`
	At     int64    `json:"at"` // microseconds since 1970 UTC
	Again  bool     `json:"again,omitempty"`
	Lost   bool     `json:"lost,omitempty"`
	Gained []uint64 `json:"gained,omitempty"` // since format 4: words, see merge.Mask.Words
}

// Owed is a table that a peer asked for.
type Owed struct {
	Epoch  uint64     // this node's: a batch to the peer that starts before it has the whole table
	At     int64      // when that was settled, in microseconds since 1970 UTC
	Again  bool       // the peer has asked once more, and is answered later
	Lost   bool       // the peer has lost the table: what came from the peer goes too
	Gained merge.Mask // columns that the peer did not have before it asked
}

// requests is what this node asks a peer to send again, and what the peer asked for: its own and the peer's epochs of the requests, and
// what is owed to the peer, by the names of tables.
type requests struct {
	requested, answered map[string]uint64
	lost                map[string]uint64 // those of requested that are for tables which this node has lost
	owed                map[string]Owed
	gained              map[string][]string // by table, columns that this node did not have before it asked
}

func encodeRequests(q requests) ([]byte, error) {
	r := requestsRecord{Version: recordVersion, Requested: q.requested, Answered: q.answered, Lost: q.lost, Gained: q.gained}
	for t, o := range q.owed {
		if r.Owed == nil {
			r.Owed = map[string]owedRecord{}
		}
		r.Owed[t] = owedRecord{Epoch: o.Epoch, At: o.At, Again: o.Again, Lost: o.Lost, Gained: slices.Collect(o.Gained.Words())}
	}
	return encodeRecord("requests to send again", r)
}

func decodeRequests(b []byte) (requests, error) {
	var r requestsRecord
	err := decodeRecord("requests to send again", recordVersion, b, &r)
	q := requests{requested: r.Requested, answered: r.Answered, lost: r.Lost, gained: r.Gained}
	for t, o := range r.Owed {
		if q.owed == nil {
			q.owed = map[string]Owed{}
		}
		q.owed[t] = Owed{Epoch: o.Epoch, At: o.At, Again: o.Again, Lost: o.Lost, Gained: maskOf(o.Gained)}
	}
	return q, err
}

// maskOf returns the mask that words stand for.
func maskOf(words []uint64) merge.Mask {
	var b merge.MaskBuilder
	for _, w := range words {
		b.AddAll(merge.FromWord(w))
	}
	return b.Mask()
}
