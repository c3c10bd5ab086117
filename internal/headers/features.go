package headers

import (
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/features"
)

// Heard returns what a header says that its sender reads.
func Heard(h *batch.Header) features.Heard {
	return features.Heard{Reads: h.Reads(), History: h.History, Epoch: h.Upto.Epoch, Time: h.Time}
}

// Requests returns the requests of a header: for these tables, with what this program reads, and with what may be used in the batch. Where
// there is no room for all, what the batch needs comes first, for its reader must know; what this program reads comes last: a peer
// that hears of no feature is sent none.
//
// A request that is longer than a text of a header may be is left out: one for a column of a long name.
func Requests(tables []string, known, used features.Known) []string {
	var needs []string
	for _, f := range used {
		needs = append(needs, batch.Need{Feature: f.Name, Version: f.Since}.String())
	}
	room := batch.MaxTables - len(needs)
	out := slices.DeleteFunc(slices.Clone(tables), func(text string) bool { return len(text) > batch.MaxName })
	out = out[:min(len(out), room)]
	for _, name := range known.Names() {
		if len(out) < room {
			out = append(out, batch.ReadsText(name))
		}
	}
	return append(out, needs...)
}
