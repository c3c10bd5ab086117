package journal

// requestsRecord is what two peers asked each other to send again, as omsync_peer.requests holds it: epochs by the names of tables.
type requestsRecord struct {
	Version   int               `json:"version"`
	Requested map[string]uint64 `json:"requested,omitempty"`
	Lost      map[string]uint64 `json:"lost,omitempty"` // since format 3
	Answered  map[string]uint64 `json:"answered,omitempty"`
	// Since format 3.
	Owed map[string]owedRecord `json:"owed,omitempty"`
}

type owedRecord struct {
	Epoch uint64 `json:"epoch"`
	At    int64  `json:"at"` // microseconds since 1970 UTC
	Again bool   `json:"again,omitempty"`
	Lost  bool   `json:"lost,omitempty"`
}

// Owed is a table that a peer asked for.
type Owed struct {
	Epoch uint64 // this node's: a batch to the peer that starts before it has the whole table
	At    int64  // when that was settled, in microseconds since 1970 UTC
	Again bool   // the peer has asked once more, and is answered later
	Lost  bool   // the peer has lost the table: what came from the peer goes too
}

// requests is what this node asks a peer to send again, and what the peer asked for: its own and the peer's epochs of the requests, and
// what is owed to the peer, by the names of tables.
type requests struct {
	requested, answered map[string]uint64
	lost                map[string]uint64 // those of requested that are for tables which this node has lost
	owed                map[string]Owed
}

func encodeRequests(q requests) ([]byte, error) {
	r := requestsRecord{Version: recordVersion, Requested: q.requested, Answered: q.answered, Lost: q.lost}
	for t, o := range q.owed {
		if r.Owed == nil {
			r.Owed = map[string]owedRecord{}
		}
		r.Owed[t] = owedRecord(o)
	}
	return encodeRecord("requests to send again", r)
}

func decodeRequests(b []byte) (requests, error) {
	var r requestsRecord
	err := decodeRecord("requests to send again", recordVersion, b, &r)
	q := requests{requested: r.Requested, answered: r.Answered, lost: r.Lost}
	for t, o := range r.Owed {
		if q.owed == nil {
			q.owed = map[string]Owed{}
		}
		q.owed[t] = Owed(o)
	}
	return q, err
}
