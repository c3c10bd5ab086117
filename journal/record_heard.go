package journal

import "github.com/omsync/omsync/features"

// heardRecord is a [features.Heard] as omsync_peer.heard holds it; NULL stands for the zero one.
type heardRecord struct {
	Version int      `json:"version"`
	Reads   []string `json:"reads,omitempty"`
	History uint64   `json:"history"`
	Epoch   uint64   `json:"epoch"`
	Time    int64    `json:"time"` // microseconds since 1970 UTC
}

// encodeHeard returns nil for the zero Heard.
func encodeHeard(h features.Heard) ([]byte, error) {
	if h.History == 0 {
		return nil, nil
	}
	return encodeRecord("features of a peer", heardRecord{recordVersion, h.Reads, h.History, h.Epoch, h.Time})
}

// decodeHeard returns the zero Heard for nil.
func decodeHeard(b []byte) (features.Heard, error) {
	if b == nil {
		return features.Heard{}, nil
	}
	var r heardRecord
	err := decodeRecord("features of a peer", recordVersion, b, &r)
	return features.Heard{Reads: r.Reads, History: r.History, Epoch: r.Epoch, Time: r.Time}, err
}
