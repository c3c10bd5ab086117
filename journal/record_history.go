package journal

// histories is what omsync_node.earlier holds: the node's earlier histories, and those of them that only a peer says were this node's.
type histories struct{ earlier, learned []uint64 }

type historiesRecord struct {
	Version   int      `json:"version"`
	Histories []uint64 `json:"histories,omitempty"`
	Learned   []uint64 `json:"learned,omitempty"`
}

func encodeHistories(h histories) ([]byte, error) {
	return encodeRecord("earlier histories", historiesRecord{recordVersion, h.earlier, h.learned})
}

func decodeHistories(b []byte) (histories, error) {
	var r historiesRecord
	err := decodeRecord("earlier histories", recordVersion, b, &r)
	return histories{r.Histories, r.Learned}, err
}
