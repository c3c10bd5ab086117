package sheet

import (
	_ "embed"
	"html/template"
	"io"
	"time"

	"github.com/omsync/omsync/match"
)

//go:embed page.html
var page string

// maxListed is how many lines each part of the page has: more nobody reads.
const maxListed = 5000

// section is a part of the page.
type section struct {
	Title, About string
	N, More      int
	Lines        []pageLine
}

type pageLine struct {
	Row
	For, Against []string
}

// WriteHTML writes a report as one page. asOf is when the other side's file was made.
func WriteHTML(w io.Writer, r *match.Report, made, asOf time.Time) error {
	t, err := template.New("page").Parse(page)
	if err != nil {
		return err
	}
	choose := map[string]bool{}
	for _, row := range Rows(r) {
		choose[row.Table] = choose[row.Table] || row.State == string(match.OnlyThere)
	}
	var there []match.Line
	for _, l := range r.OnlyThere {
		if choose[l.Table] {
			there = append(there, l)
		}
	}
	const form = "2006-01-02 15:04 MST"
	return t.Execute(w, struct {
		*match.Report
		Made, AsOf string
		Sections   []section
	}{r, made.UTC().Format(form), asOf.UTC().Format(form), []section{
		newSection("Proposed", "Perhaps one row. A person decides: if nobody does, they stay two.", r.Proposed),
		newSection("Collisions", "Two rows, of which one has a value that only one row may have. If the one comes, it waits: change the value at one of the two sites before.", r.Collisions),
		newSection("Only here, and referred to", "Rows that the other side does not have, and takes none of from here. What refers to them would wait there. Say which row there they are, or let the other side add them.", r.OnlyHere),
		newSection("Matched", "One row under two keys: certainly, or as a person decided.", r.Matched),
		newSection("Only there, to choose from", "Of the tables in which something is to be decided.", there),
	}})
}

func newSection(title, about string, lines []match.Line) section {
	s := section{Title: title, About: about, N: len(lines)}
	for i := range lines[:min(len(lines), maxListed)] {
		s.Lines = append(s.Lines, pageLine{RowOf(&lines[i]), lines[i].For, lines[i].Against})
	}
	s.More = s.N - len(s.Lines)
	return s
}
