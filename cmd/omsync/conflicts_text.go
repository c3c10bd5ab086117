package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// versionJSON says who made a version, and when.
type versionJSON struct {
	By string     `json:"by"`
	At *time.Time `json:"at,omitempty"` // nil: before omsync was there
}

func versionOf(s merge.Stamp) versionJSON {
	v := versionJSON{By: s.Author}
	if !conflicts.Before(s.Time) {
		at := time.UnixMicro(s.Time).UTC()
		v.At = &at
	}
	return v
}

func (v versionJSON) text() string {
	if v.At == nil {
		return v.By + ", before omsync"
	}
	return v.By + ", " + v.At.Local().Format("2006-01-02 15:04")
}

// conflictJSON is the JSON object of a conflict.
type conflictJSON struct {
	ID      uint64       `json:"id"`
	Table   string       `json:"table"`
	Key     string       `json:"key"`
	Row     string       `json:"row"` // in words
	Columns []string     `json:"columns"`
	Folded  []string     `json:"bookkeeping,omitempty"`
	Lost    versionJSON  `json:"lost"`
	Kept    versionJSON  `json:"kept"`
	Link    string       `json:"link,omitempty"`
	Came    time.Time    `json:"came"`
	State   string       `json:"state"` // open, settled, old, bookkeeping, or earlier: from before omsync was there
	Decided *decidedJSON `json:"decided,omitempty"`
	Values  []columnJSON `json:"values,omitempty"`
}

// decidedJSON is what somebody decided.
type decidedJSON struct {
	How merge.How `json:"how"`
	versionJSON
}

// columnJSON is both versions of a column.
type columnJSON struct {
	Column      string       `json:"column,omitempty"`
	Deletion    bool         `json:"deletion,omitempty"`
	Lost        *string      `json:"lost"`
	LostRow     string       `json:"lost_row,omitempty"`
	Cut         bool         `json:"cut,omitempty"` // the lost value is longer
	Here        bool         `json:"here"`
	Now         *string      `json:"now"`
	NowRow      string       `json:"now_row,omitempty"`
	NowBy       *versionJSON `json:"now_by,omitempty"`
	Kept        bool         `json:"kept"` // what is there is still the value that was kept
	Bookkeeping bool         `json:"bookkeeping,omitempty"`
	Decided     *decidedJSON `json:"decided,omitempty"`
}

func decidedOf(r merge.Resolution) *decidedJSON {
	if r.How == "" {
		return nil
	}
	return &decidedJSON{r.How, versionOf(r.Stamp)}
}

func entryJSON(e *conflicts.Entry) conflictJSON {
	out := conflictJSON{ID: e.ID(), Table: e.Table, Key: e.Key, Row: e.Row, Lost: versionOf(e.Loser), Kept: versionOf(e.Records[0].Winner), Link: e.Link, State: e.State}
	folded := e.Folded()
	for _, r := range e.Records {
		name := r.Column
		switch {
		case r.Deletion:
			name = "(deletion)"
		case name == "":
			name = "(row)"
		}
		if slices.Contains(folded, r) {
			out.Folded = append(out.Folded, name)
		} else {
			out.Columns = append(out.Columns, name)
		}
	}
	out.Came = time.UnixMicro(e.Records[0].Came).UTC()
	out.Decided = decidedOf(e.Records[0].Resolution)
	return out
}

func viewJSON(v *conflicts.View) conflictJSON {
	out := entryJSON(&v.Entry)
	for _, c := range v.Columns {
		x := columnJSON{Column: c.Column, Deletion: c.Deletion, Lost: c.Value, LostRow: c.LostRow, Here: c.Here, Now: c.Now, NowRow: c.NowRow, Kept: c.Kept(),
			Bookkeeping: c.Bookkeeping, Decided: decidedOf(c.Resolution), Cut: c.Value != nil && int64(len(*c.Value)) < c.Size}
		if c.Here {
			by := versionOf(c.NowStamp)
			x.NowBy = &by
		}
		out.Values = append(out.Values, x)
	}
	return out
}

// printView prints both versions side by side.
func printView(out io.Writer, v *conflicts.View) error {
	x := viewJSON(v)
	fmt.Fprintf(out, "%s of %s\n", failure.Printable(x.Table), failure.Printable(x.Row))
	if x.Link != "" {
		fmt.Fprintf(out, "came over the link to %s, %s\n", x.Link, conflicts.Time(x.Came.UnixMicro()))
	}
	w := newTable(out)
	fmt.Fprintf(w, "COLUMN\tLOST (%s)\tKEPT (%s)\n", x.Lost.text(), x.Kept.text())
	for _, c := range x.Values {
		name := c.Column
		switch {
		case c.Deletion:
			name = "the row's deletion"
		case name == "":
			name = "the whole row"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", failure.Printable(name), valueText(c.Lost, c.LostRow), c.nowText(v))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range v.Columns {
		if c.Resolution.How != "" {
			fmt.Fprintf(out, "%s: %s\n", failure.Printable(c.Column), failure.Printable(conflicts.Said(c.Resolution)))
		}
	}
	_, err := fmt.Fprintf(out, "state: %s\n", x.State)
	return err
}

// nowText is what is there now.
func (c columnJSON) nowText(v *conflicts.View) string {
	switch {
	case !c.Here && v.Gone && v.Deleted.Author != "":
		return "deleted by " + versionOf(v.Deleted).text()
	case !c.Here && v.Gone:
		return "the row is gone"
	case !c.Here && c.Column == "":
		return "the row is there"
	case !c.Here:
		return "there is no such column"
	case c.Kept:
		return valueText(c.Now, c.NowRow)
	}
	return fmt.Sprintf("%s, changed since by %s", valueText(c.Now, c.NowRow), c.NowBy.text())
}

// maxCell is how many bytes of a value a table shows.
const maxCell = 60

// valueText is a value in a table.
func valueText(value *string, row string) string {
	switch {
	case value == nil:
		return "NULL"
	case row != "":
		return failure.Printable(journal.Cut(row, maxCell))
	}
	return fmt.Sprintf("%q", journal.Cut(*value, maxCell))
}
