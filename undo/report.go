package undo

import "github.com/omsync/omsync/journal"

// Report is what was taken back, by table.
type Report struct{ Tables []TableReport }

// TableReport counts rows of one table.
type TableReport struct {
	Table     string
	Deleted   int64 // rows that the peer had added
	Kept      int64 // rows that it had added and that stay
	PutBack   int64 // rows with values that are again as they were
	Unknown   int64 // rows with values that the peer changed and of which nobody knows what was there before
	Inserted  int64 // rows that it had deleted
	Missing   int64 // rows that it had deleted and that cannot be inserted again
	Forgotten int64 // rows of it that waited
	Rows      []Row
}

// Row is what was done with one row, or could not be.
type Row struct {
	Key  string // as people can read it
	What string
	Left bool // it could not be done
}

// note counts a row by its canonical key, and keeps what was done with it.
func (t *table) note(count *int64, key, what string) {
	*count++
	r := &t.report
	r.Rows = append(r.Rows, Row{Key: journal.PrintableKey(t.Table, key), What: what, Left: count != &r.Deleted && count != &r.PutBack && count != &r.Inserted && count != &r.Forgotten})
}

// report is what this attempt did.
func (u *undoing) report() *Report {
	r := &Report{}
	for _, t := range u.tables {
		if len(t.report.Rows) > 0 {
			r.Tables = append(r.Tables, t.report)
		}
	}
	return r
}
