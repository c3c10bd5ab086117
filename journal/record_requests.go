package journal

// requestsRecord is what two peers asked each other to send again, as omsync_peer.requests holds it: epochs by the names of tables.
type requestsRecord struct {
	Version   int               `json:"version"`
	Requested map[string]uint64 `json:"requested,omitempty"`
	Answered  map[string]uint64 `json:"answered,omitempty"`
}

// requests is what this node asks a peer to send again, and what it sent the peer again: its own and the peer's epochs of the
// requests, by the names of tables.
type requests struct{ requested, answered map[string]uint64 }

func encodeRequests(q requests) ([]byte, error) {
	return encodeRecord("requests to send again", requestsRecord{recordVersion, q.requested, q.answered})
}

func decodeRequests(b []byte) (requests, error) {
	var r requestsRecord
	err := decodeRecord("requests to send again", recordVersion, b, &r)
	return requests{r.Requested, r.Answered}, err
}
