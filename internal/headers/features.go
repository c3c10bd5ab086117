package headers

import (
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/features"
)

// Heard returns what a header says that its sender reads.
func Heard(h *batch.Header) features.Heard {
	return features.Heard{Reads: h.Reads(), History: h.History, Epoch: h.Upto.Epoch, Time: h.Time}
}

// Requests returns the requests of a header: for these tables, with what this program reads, and with what may be in the batch since
// the peer reads it. Where there is no room for all, the tables come first: a peer that hears of no feature is sent none.
func Requests(tables []string, known features.Known, peer features.Heard) []string {
	out := tables
	for _, name := range known.Names() {
		out = append(out, batch.ReadsText(name))
	}
	for _, f := range known.Writable(peer) {
		out = append(out, batch.Need{Feature: f.Name, Version: f.Since}.String())
	}
	if len(out) > batch.MaxTables {
		return tables
	}
	return out
}
