package journal

import (
	"maps"
	"slices"

	"github.com/omsync/omsync/merge"
)

// linkRecord is a [merge.Link] as omsync_peer.link holds it. Link.Imports is not in it: it is the table omsync_import.
type linkRecord struct {
	Version      int              `json:"version"`
	Number       uint64           `json:"number"`
	PeerNumber   uint64           `json:"peer_number"`
	PeerHistory  uint64           `json:"peer_history"`
	PeerRetired  []uint64         `json:"peer_retired,omitempty"` // in rising order
	Applied      positionRecord   `json:"applied"`
	Receiving    receivingRecord  `json:"receiving"`
	Acknowledged positionRecord   `json:"acknowledged"`
	ExportEnds   []positionRecord `json:"export_ends,omitempty"`
	Sending      sendingRecord    `json:"sending"`
	PeerBehind   bool             `json:"peer_behind"`
	LastHeader   headerRecord     `json:"last_header"`
	HeaderDue    bool             `json:"header_due"`
	Missing      positionRecord   `json:"missing"`
	Doubted      bool             `json:"doubted,omitempty"`
	Copies       *copiesRecord    `json:"copies,omitempty"`
}

// copiesRecord is a [merge.Copies]; nothing is known of copies where it is not there.
type copiesRecord struct {
	Displaced   []uint64 `json:"displaced,omitempty"` // oldest first
	Rival       uint64   `json:"rival,omitempty"`
	RivalEpoch  uint64   `json:"rival_epoch,omitempty"`
	RivalMadeAt int64    `json:"rival_made_at,omitempty"`
	GivenUp     []uint64 `json:"given_up,omitempty"` // in rising order
}

func encodeCopies(c merge.Copies) *copiesRecord {
	r := copiesRecord{c.Displaced, c.Rival.History, c.Rival.Epoch, c.Rival.At, c.GivenUp}
	if len(r.Displaced) == 0 && len(r.GivenUp) == 0 && r.Rival == 0 {
		return nil
	}
	return &r
}

func (r *copiesRecord) copies() merge.Copies {
	if r == nil {
		return merge.Copies{}
	}
	return merge.Copies{Displaced: r.Displaced, Rival: merge.Rival{History: r.Rival, Epoch: r.RivalEpoch, At: r.RivalMadeAt}, GivenUp: r.GivenUp}
}

type positionRecord struct {
	Epoch uint64 `json:"epoch"`
	Token uint64 `json:"token"`
}

type receivingRecord struct {
	Load       uint64         `json:"load"`
	Part       uint32         `json:"part"`
	Upto       positionRecord `json:"upto"`
	StartEpoch uint64         `json:"start_epoch"`
	FirstEpoch uint64         `json:"first_epoch"`
}

type sendingRecord struct {
	Load    uint64         `json:"load"`
	Upto    positionRecord `json:"upto"`
	Done    bool           `json:"done"`
	Missing bool           `json:"missing"`
	Bytes   int64          `json:"bytes,omitempty"`
	Again   uint8          `json:"again,omitempty"`
	MadeAt  int64          `json:"made_at,omitempty"`
}

type headerRecord struct {
	History     uint64         `json:"history"`
	PeerNumber  uint64         `json:"peer_number"`
	PeerHistory uint64         `json:"peer_history"`
	Applied     positionRecord `json:"applied"`
	SentAt      int64          `json:"sent_at"` // microseconds since 1970 UTC
}

// encodeLink leaves the imports out: they have a table of their own.
func encodeLink(l *merge.Link) ([]byte, error) {
	r := linkRecord{
		Version: recordVersion, Number: l.Number, PeerNumber: l.PeerNumber, PeerHistory: l.History, PeerRetired: sortedSet(l.Retired),
		Applied: positionRecord(l.Applied), Acknowledged: positionRecord(l.Acked), PeerBehind: l.Behind, HeaderDue: l.HeaderDue,
		Missing: positionRecord(l.Missing), Doubted: l.Doubted, Copies: encodeCopies(l.Copies),
		Receiving: receivingRecord{l.Receiving.ID, l.Receiving.Part, positionRecord(l.Receiving.Upto), l.Receiving.Start, l.Receiving.First},
		Sending:   sendingRecord{l.Sending.ID, positionRecord(l.Sending.Upto), l.Sending.Done, l.Sending.Missing, l.Sending.Bytes, l.Sending.Again, l.Sending.At},
		LastHeader: headerRecord{l.LastHeader.History, l.LastHeader.PeerNumber, l.LastHeader.PeerHistory,
			positionRecord(l.LastHeader.Applied), l.LastHeader.At},
	}
	for _, e := range l.ExportEnds {
		r.ExportEnds = append(r.ExportEnds, positionRecord(e))
	}
	return encodeRecord("state of a link", r)
}

func decodeLink(b []byte) (merge.Link, error) {
	var r linkRecord
	if err := decodeRecord("state of a link", recordVersion, b, &r); err != nil {
		return merge.Link{}, err
	}
	l := merge.Link{
		Number: r.Number, PeerNumber: r.PeerNumber, History: r.PeerHistory, Retired: setOf(r.PeerRetired),
		Applied: merge.Position(r.Applied), Acked: merge.Position(r.Acknowledged), Behind: r.PeerBehind, HeaderDue: r.HeaderDue,
		Missing: merge.Position(r.Missing), Doubted: r.Doubted, Copies: r.Copies.copies(),
		Receiving: merge.Receiving{ID: r.Receiving.Load, Part: r.Receiving.Part, Upto: merge.Position(r.Receiving.Upto),
			Start: r.Receiving.StartEpoch, First: r.Receiving.FirstEpoch},
		Sending: merge.Sending{ID: r.Sending.Load, Upto: merge.Position(r.Sending.Upto), Done: r.Sending.Done, Missing: r.Sending.Missing,
			Bytes: r.Sending.Bytes, Again: r.Sending.Again, At: r.Sending.MadeAt},
		LastHeader: merge.LastHeader{History: r.LastHeader.History, PeerNumber: r.LastHeader.PeerNumber,
			PeerHistory: r.LastHeader.PeerHistory, Applied: merge.Position(r.LastHeader.Applied), At: r.LastHeader.SentAt},
	}
	for _, e := range r.ExportEnds {
		l.ExportEnds = append(l.ExportEnds, merge.Position(e))
	}
	return l, nil
}

// sortedSet returns the members of a set in rising order.
func sortedSet(set map[uint64]bool) []uint64 {
	return slices.Sorted(maps.Keys(set))
}

// setOf returns a set; nil if it is empty.
func setOf(members []uint64) map[uint64]bool {
	if len(members) == 0 {
		return nil
	}
	set := make(map[uint64]bool, len(members))
	for _, m := range members {
		set[m] = true
	}
	return set
}
