package apply

import (
	"fmt"
	"slices"

	"github.com/omsync/omsync/merge"
)

// Outcomes of an import.
const (
	Applied = "applied"
	Covered = "covered" // all of it had been applied before
	Gap     = "gap"     // it builds on a batch that is not here: keep the file
	Refused = "refused" // it is of a history that no longer counts, or of a stranger
)

// Report is what an import did, or with Options.DryRun would have done.
type Report struct {
	Sender, Outcome            string
	Base, Upto                 uint64
	Part                       uint32
	Last                       bool
	Inserted, Updated, Deleted int64 // sums of Tables, as are Unchanged and Refused
	Unchanged                  int64
	Waiting                    int64 // rows that wait, see journal.WaitingRow
	Retried                    int64 // rows that waited, and do no more
	Recognised                 int64 // rows that are rows here under other keys
	Refused                    int64 // rows that the sender may not send here
	Conflicts                  int
	Tables                     []TableReport
	Notes                      []string            // what a person should know
	Arrived                    map[uint16][]string // keys of new rows for which others may wait, canonical, by omsync_table.id
	Why                        string              // of every outcome but Applied
	Stranger                   bool                // refused because another node goes by the sender's name
	Missed                     bool                // a gap: it names rows by the beginnings of their keys, and it is not known here which they are
}

// TableReport counts rows of one table.
type TableReport struct {
	Table                                                                        string
	Inserted, Updated, Deleted, Unchanged, Refused, Waiting, Retried, Recognised int64
}

// add takes the counts of one more table into the report.
func (r *Report) add(t TableReport) {
	r.Tables = append(r.Tables, t)
	r.Inserted += t.Inserted
	r.Updated += t.Updated
	r.Deleted += t.Deleted
	r.Unchanged += t.Unchanged
	r.Refused += t.Refused
	r.Waiting += t.Waiting
	r.Retried += t.Retried
	r.Recognised += t.Recognised
}

// report puts a verdict on the batch into words.
func (l *peerLink) report(v merge.Verdict) *Report {
	h := l.header
	r := &Report{Sender: h.Sender, Base: h.Base.Epoch, Upto: h.Upto.Epoch, Part: h.Part, Last: h.Last}
	switch v {
	case merge.Apply:
		r.Outcome = Applied
	case merge.Covered:
		r.Outcome, r.Why = Covered, "applied before"
	case merge.Gap:
		r.Outcome, r.Why = Gap, fmt.Sprintf("it starts at epoch %d of %s and only %d is applied here: import the files in between, or let %[2]s import a file of this node and export again", h.Base.Epoch, h.Sender, l.peer.Link.Applied.Epoch)
	case merge.PartGap:
		r.Outcome, r.Why = Gap, fmt.Sprintf("it is part %d of a load, and a part before it is not here: import the parts in order", h.Part)
	case merge.NotShown:
		r.Outcome, r.Why = Refused, fmt.Sprintf("%s does not know what is applied here, perhaps because it was restored from a backup: export to it, let it import that and export again", h.Sender)
	case merge.Retired:
		r.Outcome, r.Why = Refused, fmt.Sprintf("the file is from before %s was restored or added this node anew: export to it, and let it export again", h.Sender)
	case merge.Copy, merge.OwnCopy:
		r.Outcome, r.Stranger, r.Why = Refused, true, l.whyCopy(v)
	case merge.Stranger:
		r.Outcome, r.Stranger = Refused, true
		r.Why = fmt.Sprintf("another node goes by the name %[1]s, with another database: find out which one is right (omsync status, at both); if it is this one, omsync peer remove %[1]s, and omsync peer add with its card; if not, let its people run omsync uninstall there", h.Sender)
	}
	return r
}

// notes are what a person should know of an import, each once.
type notes struct{ list []string }

// maxNotes bounds the notes of a report: a batch may describe thousands of tables and columns that are not here.
const maxNotes = 100

func (n *notes) add(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if len(n.list) < maxNotes && !slices.Contains(n.list, s) {
		n.list = append(n.list, s)
	}
}
