package sheet

import (
	"strings"

	"github.com/omsync/omsync/match"
)

// Row is a line of a report as a spreadsheet, JSON and the page have it.
type Row struct {
	Table      string `json:"table"`
	KeyHere    string `json:"key_here,omitempty"`
	KeyThere   string `json:"key_there,omitempty"`
	LabelHere  string `json:"label_here,omitempty"`
	LabelThere string `json:"label_there,omitempty"`
	State      string `json:"state"`
	Evidence   string `json:"evidence,omitempty"`
	Waiting    int64  `json:"rows_waiting"`
	Decision   string `json:"decision,omitempty"`
}

// RowOf returns a line.
func RowOf(l *match.Line) Row {
	var said []string
	if len(l.For) > 0 {
		said = append(said, "for: "+strings.Join(l.For, "; "))
	}
	if len(l.Against) > 0 {
		said = append(said, "against: "+strings.Join(l.Against, "; "))
	}
	return Row{l.Table, match.Shown(l.Here), match.Shown(l.There), l.LabelHere, l.LabelThere, string(l.State), strings.Join(said, " | "), l.Waiting, DecisionText(l.Decision)}
}

// DecisionText returns a decision as people write it; "" for none.
func DecisionText(d match.Decision) string {
	switch d.Kind {
	case match.Same:
		return "same as " + match.Shown(d.There)
	case match.Apart:
		return "keep apart"
	case match.Send:
		return "send"
	}
	return ""
}

// mostToChoose is of how many rows of a table a person may be asked to choose.
const mostToChoose = 1000

// Rows returns what a spreadsheet has of a report: all that is matched, proposed, collides, or is only here and rows would wait for it; and
// of the tables in which something is to be decided what is only there, to choose from, if that is not too much.
func Rows(r *match.Report) (out []Row) {
	choose := map[string]bool{}
	for _, list := range [][]match.Line{r.Matched, r.Proposed, r.Collisions, r.OnlyHere} {
		for i := range list {
			out = append(out, RowOf(&list[i]))
		}
	}
	for _, list := range [][]match.Line{r.OnlyHere, r.Proposed} {
		for i := range list {
			choose[list[i].Table] = true
		}
	}
	for _, c := range r.Tables {
		choose[c.Table] = choose[c.Table] && c.OnlyThere <= mostToChoose
	}
	for i := range r.OnlyThere {
		if choose[r.OnlyThere[i].Table] {
			out = append(out, RowOf(&r.OnlyThere[i]))
		}
	}
	return out
}
