package journal

import (
	"encoding/json"
	"fmt"

	"github.com/omsync/omsync/merge"
)

// What format 1 stored: JSON with the names that Go's fields had then, and no version. Golden files: testdata/NAME_1.golden.

type linkFormat1 struct {
	Number, Theirs uint64
	History        uint64
	Retired        map[uint64]bool
	Applied        positionFormat1
	Log            []json.RawMessage // always left out: it had a table
	Load           struct {
		ID    uint64
		Part  uint32
		Upto  positionFormat1
		Start uint64
		First uint64
	}
	Acked   positionFormat1
	Ends    []positionFormat1
	Sending struct {
		ID      uint64
		Upto    positionFormat1
		Done    bool
		Missing bool
	}
	Behind bool
	Told   struct {
		History, Theirs uint64
		PeerHistory     uint64
		Applied         positionFormat1
		At              int64
	}
	Asks    bool
	Missing positionFormat1
}

type positionFormat1 struct{ Epoch, Token uint64 }

// hasVersion reports whether a stored text is a record of a later format already.
func hasVersion(b []byte) bool {
	var tag struct {
		Version int `json:"version"`
	}
	return json.Unmarshal(b, &tag) == nil && tag.Version > 0
}

func linkOfFormat1(b []byte) (*merge.Link, error) {
	var old linkFormat1
	if err := decodeStrictly(b, &old); err != nil {
		return nil, fmt.Errorf("read the state of a link in format 1: %w", err)
	}
	at := func(p positionFormat1) merge.Position { return merge.Position(p) }
	l := &merge.Link{
		Number: old.Number, PeerNumber: old.Theirs, History: old.History,
		Applied: at(old.Applied), Acked: at(old.Acked), Behind: old.Behind, HeaderDue: old.Asks, Missing: at(old.Missing),
		Receiving:  merge.Receiving{ID: old.Load.ID, Part: old.Load.Part, Upto: at(old.Load.Upto), Start: old.Load.Start, First: old.Load.First},
		Sending:    merge.Sending{ID: old.Sending.ID, Upto: at(old.Sending.Upto), Done: old.Sending.Done, Missing: old.Sending.Missing},
		LastHeader: merge.LastHeader{History: old.Told.History, PeerNumber: old.Told.Theirs, PeerHistory: old.Told.PeerHistory, Applied: at(old.Told.Applied), At: old.Told.At},
	}
	for h, is := range old.Retired {
		if is {
			if l.Retired == nil {
				l.Retired = map[uint64]bool{}
			}
			l.Retired[h] = true
		}
	}
	for _, e := range old.Ends {
		l.ExportEnds = append(l.ExportEnds, at(e))
	}
	return l, nil
}

func requestsOfFormat1(b []byte) (requests, error) {
	var old struct {
		Wants    map[string]uint64 `json:"wants"`
		Answered map[string]uint64 `json:"answered"`
	}
	if err := decodeStrictly(b, &old); err != nil {
		return requests{}, fmt.Errorf("read requests to send again in format 1: %w", err)
	}
	return requests{requested: old.Wants, answered: old.Answered}, nil
}

func columnsOfFormat1(b []byte) ([]Column, error) {
	var old []struct {
		Name string `json:"n"`
		Bit  uint8  `json:"b"`
		Type string `json:"t"`
		New  bool   `json:"new"`
	}
	if err := decodeStrictly(b, &old); err != nil {
		return nil, fmt.Errorf("read the columns of a table in format 1: %w", err)
	}
	var out []Column
	for _, c := range old {
		out = append(out, Column{Name: c.Name, Bit: int(c.Bit), Type: c.Type, New: c.New})
	}
	return out, nil
}

func flowOfFormat1(b []byte) (Flow, error) {
	var old struct {
		Direction string   `json:"direction"`
		Up        []string `json:"up"`
		Held      []string `json:"held"`
	}
	if err := decodeStrictly(b, &old); err != nil {
		return Flow{}, fmt.Errorf("read the flow of a table in format 1: %w", err)
	}
	return Flow{Direction: old.Direction, ExcludedUp: old.Up, Excluded: old.Held}, nil
}

func historiesOfFormat1(b []byte) (histories, error) {
	var old []uint64
	if err := decodeStrictly(b, &old); err != nil {
		return histories{}, fmt.Errorf("read the earlier histories in format 1: %w", err)
	}
	return histories{earlier: old}, nil
}
