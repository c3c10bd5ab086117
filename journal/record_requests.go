package journal

import "github.com/omsync/omsync/features"

// requestsRecord is what came of the requests in the headers that two peers sent each other, as omsync_peer.requests holds it: what
// they asked each other to send again, epochs by the names of tables, and what the peer said that it reads.
type requestsRecord struct {
	Version   int               `json:"version"`
	Requested map[string]uint64 `json:"requested,omitempty"`
	Answered  map[string]uint64 `json:"answered,omitempty"`
	Heard     *heardRecord      `json:"heard,omitempty"`
}

// heardRecord is a [features.Heard].
type heardRecord struct {
	Reads   []string `json:"reads,omitempty"`
	History uint64   `json:"history,omitempty"`
	Epoch   uint64   `json:"epoch,omitempty"`
	Time    int64    `json:"time,omitempty"`
}

// requests is what this node asks a peer to send again, and what it sent the peer again: its own and the peer's epochs of the
// requests, by the names of tables; and what the peer said that it reads.
type requests struct {
	requested, answered map[string]uint64
	heard               features.Heard
}

func encodeRequests(q requests) ([]byte, error) {
	r := requestsRecord{Version: recordVersion, Requested: q.requested, Answered: q.answered}
	if h := q.heard; h.History != 0 {
		r.Heard = &heardRecord{h.Reads, h.History, h.Epoch, h.Time}
	}
	return encodeRecord("requests", r)
}

func decodeRequests(b []byte) (requests, error) {
	var r requestsRecord
	err := decodeRecord("requests", recordVersion, b, &r)
	q := requests{requested: r.Requested, answered: r.Answered}
	if h := r.Heard; h != nil {
		q.heard = features.Heard{Reads: h.Reads, History: h.History, Epoch: h.Epoch, Time: h.Time}
	}
	return q, err
}
