package journal

import (
	"slices"

	"github.com/omsync/omsync/merge"
)

// waitingRecord is a [merge.Waiting] as omsync_waiting.versions holds it; whether it is lost is a column.
type waitingRecord struct {
	Version  int           `json:"version"`
	Alive    bool          `json:"alive"`
	Groups   []groupRecord `json:"groups,omitempty"`
	Deletion *stampRecord  `json:"deletion,omitempty"`
	RowAck   uint64        `json:"row_ack"`
	Resent   []uint64      `json:"resent,omitempty"`
	Acked    uint64        `json:"acknowledged"`
	Newest   bool          `json:"newest,omitempty"`
	Blind    bool          `json:"blind,omitempty"`
	Unseen   []uint64      `json:"unseen,omitempty"` // words, see merge.Mask.Words: of columns that the sender did not have
	Whose    string        `json:"whose,omitempty"`  // what the sender says of who added the row: "theirs" or "ours"
}

type groupRecord struct {
	Mask uint64 `json:"mask"` // a word: see merge.Mask.Words
	stampRecord
}

type stampRecord struct {
	Time   int64  `json:"time"` // µs since 1970 UTC
	Author string `json:"author"`
	Epoch  uint64 `json:"epoch"` // the sender's; 0: it was no news
}

func whoseNames() map[merge.Whose]string {
	return map[merge.Whose]string{merge.Unsaid: "", merge.Theirs: "theirs", merge.Ours: "ours"}
}

func encodeWaiting(w merge.Waiting) ([]byte, error) {
	r := waitingRecord{Version: recordVersion, Alive: w.Alive, RowAck: w.Ack, Resent: w.Resent, Acked: w.Acked, Newest: w.Newest, Blind: w.Blind, Unseen: slices.Collect(w.Unseen.Words()), Whose: whoseNames()[w.Whose]}
	for _, g := range w.Groups {
		for word := range g.Words() {
			r.Groups = append(r.Groups, groupRecord{word, stampRecord{g.Time, g.Author, g.Epoch}})
		}
	}
	if !w.Alive {
		r.Deletion = &stampRecord{w.Dead.Time, w.Dead.Author, w.Dead.Epoch}
	}
	return encodeRecord("row that waits", r)
}

func decodeWaiting(b []byte) (merge.Waiting, error) {
	var r waitingRecord
	if err := decodeRecord("row that waits", recordVersion, b, &r); err != nil {
		return merge.Waiting{}, err
	}
	w := merge.Waiting{Incoming: merge.Incoming{Alive: r.Alive, Ack: r.RowAck, Unseen: maskOf(r.Unseen)}, Resent: r.Resent, Acked: r.Acked, Newest: r.Newest, Blind: r.Blind}
	for whose, name := range whoseNames() {
		if name == r.Whose {
			w.Whose = whose
		}
	}
	for _, g := range r.Groups {
		w.Groups = append(w.Groups, merge.SentGroup{Mask: merge.FromWord(g.Mask), Sent: sentOf(g.stampRecord)})
	}
	w.Groups = merge.Join(w.Groups)
	if r.Deletion != nil {
		w.Dead = sentOf(*r.Deletion)
	}
	return w, nil
}

func sentOf(s stampRecord) merge.Sent {
	return merge.Sent{Stamp: merge.Stamp{Time: s.Time, Author: s.Author}, Epoch: s.Epoch}
}
