package verify

import (
	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// Cause returns why a row differs, as far as this node can tell; "" if it cannot.
func Cause(j *journal.Journal, p *journal.Peer, d export.Difference) string {
	rules := j.On(d.Table, p)
	parents := rules.Decides(d.Known) == parentHere(p)
	switch {
	case d.State == export.Flies:
		return "a change of it is under way: exchange files, and compare again"
	case d.State == export.Waits:
		return "it came, and cannot be applied yet: see omsync quarantine list"
	case !d.Here && d.Known.Known:
		return "it was deleted here, and is there again without omsync having seen that"
	case !d.Here:
		return "it was deleted here, or added there, without omsync having seen that"
	case !d.Known.Known:
		return "it was added here without omsync having seen that: its triggers were off, or the table was loaded from a file"
	case parents && p.Role == access.Parent && merge.MadeHere(d.Known):
		return "it was changed here, and only the parent's changes count"
	case d.Kind == digest.MissingThere:
		return "it was deleted there, or added here, without omsync having seen that: by TRUNCATE, or with triggers or foreign keys off"
	}
	return "it was changed here or there without omsync having seen that: with its triggers off, or by loading a backup of the table"
}

// parentHere returns who the parent is, of the two ends of the link.
func parentHere(p *journal.Peer) merge.Authority {
	if p.Role == access.Parent {
		return merge.DecidedThere
	}
	return merge.DecidedHere
}
