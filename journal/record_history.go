package journal

// historiesRecord is the node's earlier histories as omsync_node.earlier holds them.
type historiesRecord struct {
	Version   int      `json:"version"`
	Histories []uint64 `json:"histories,omitempty"`
}

func encodeHistories(earlier []uint64) ([]byte, error) {
	return encodeRecord("earlier histories", historiesRecord{recordVersion, earlier})
}

func decodeHistories(b []byte) ([]uint64, error) {
	var r historiesRecord
	err := decodeRecord("earlier histories", recordVersion, b, &r)
	return r.Histories, err
}
