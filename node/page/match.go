package page

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/harmonise"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/match"
	"github.com/omsync/omsync/match/sheet"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/links"
)

// matched is the last comparison with the hub that somebody looked at: it takes long to make.
type matched struct {
	mu     sync.Mutex // held while it is made
	at     time.Time
	acts   int64 // of the source, when it was made
	asOf   int64
	report *match.Report
}

// matchedFor is how old a comparison may be that is shown again.
const matchedFor = 5 * time.Minute

// maxChoices is how many rows of the hub's a person is offered to choose from.
const maxChoices = 300

// matchData is what the view of matches shows. It is patients' data.
type matchData struct {
	Parent   string // "": this node has none
	Alone    bool   // nothing was exchanged yet
	AsOf     time.Time
	At       time.Time // when it was compared; zero: there is nothing to compare with
	Waiting  int64
	Parts    []matchPart
	Part     string
	Lines    []matchLine
	Choices  []choice
	Crowds   int
	Mark     string
	Page     int
	Previous int
	Next     int
	Sticks   []links.Stick // those that are there
	Job      *jobView
}

// matchPart is a part of the report: its name, and how many lines it has.
type matchPart struct {
	Name  string
	Lines int
}

// matchLine is a row here and one of the hub's, side by side.
type matchLine struct {
	Number int // in its part
	sheet.Row
	For, Against []string
	Offers       []string // what can be said of it
}

// choice is a row of the hub's that one here may be.
type choice struct{ Table, Key, Label string }

// parts are the lists of a report, by name, in the order in which people look at them.
func parts(r *match.Report) (names []string, lists [][]match.Line) {
	return []string{"proposed", "collisions", "only_here", "matched"}, [][]match.Line{r.Proposed, r.Collisions, r.OnlyHere, r.Matched}
}

// offers returns what can be said of a line; open takes back what was.
func offers(l *match.Line, alone bool) (out []string) {
	switch {
	case l.State == match.Proposed:
		out = []string{"same", "apart"}
	case l.State == match.OnlyHere:
		out = []string{"choose"}
	}
	if l.Sends && alone && l.State == match.Proposed {
		out = append(out, "send")
	}
	if l.Decision.Kind != "" && alone {
		out = append(out, "open")
	}
	return out
}

// mark tells one report from another.
func mark(r *match.Report) string {
	h := fnv.New64a()
	_, lists := parts(r)
	for _, list := range lists {
		for i := range list {
			l := &list[i]
			for _, s := range []string{l.Table, l.Here, l.There, string(l.State), string(l.Decision.Kind), l.Decision.There} {
				h.Write(binary.AppendUvarint(nil, uint64(len(s))))
				h.Write([]byte(s))
			}
		}
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// matching returns the comparison with the parent, as it was made minutes ago at most. Its report is nil where there is nothing to compare with.
func (a *asked) matching(d *matchData) (report *match.Report, err error) {
	m := &a.page.matched
	m.mu.Lock()
	defer m.mu.Unlock()
	err = a.withNode(func(n *node.Node) error {
		peers, err := journal.Peers(a.ctx(), n.DB)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(peers, func(p *journal.Peer) bool { return p.Role == access.Parent })
		if i < 0 {
			return nil
		}
		p := peers[i]
		d.Parent, d.Alone = p.Name, p.Link.Applied.Epoch == 0 && !p.Link.HasSent()
		if acts := a.page.source.acts.Load(); m.report == nil || m.acts != acts || time.Since(m.at) > matchedFor {
			m.report = nil
			there, err := harmonise.LoadThere(n.Home, p.Name, p.Link.Number)
			if err != nil || there == nil {
				return err
			}
			kept, err := harmonise.LoadDecisions(n.Home, p.Name, p.Link.Number)
			if err != nil {
				return err
			}
			x, err := n.Exchange().Match(a.ctx(), p, there.Side, kept)
			if err != nil {
				return err
			}
			m.report, m.at, m.asOf, m.acts = x.Report, time.Now(), there.Time, acts
		}
		report, d.At, d.AsOf, d.Mark = m.report, m.at, time.UnixMicro(m.asOf), mark(m.report)
		return nil
	})
	return report, err
}

func (p *Page) match(a *asked) error {
	if err := a.note("looked at what may be one thing here and at the hub", ""); err != nil {
		return err
	}
	d := matchData{Part: a.r.URL.Query().Get("part"), Page: pageNumber(a.r), Job: p.acts.job().view()}
	report, err := a.matching(&d)
	if err != nil {
		return err
	}
	if d.Parent != "" {
		found, err := a.sticks()
		if err != nil {
			return err
		}
		for _, s := range found {
			if s.There {
				d.Sticks = append(d.Sticks, s)
			}
		}
	}
	if report != nil {
		d.Waiting, d.Crowds = report.Waiting, len(report.Crowds)
		d.show(report)
	}
	return a.show(http.StatusOK, "match", "One thing, or two", d)
}

// ChoiceTables are the tables of which there are rows to choose from.
func (d matchData) ChoiceTables() (out []string) {
	for _, c := range d.Choices {
		if !slices.Contains(out, c.Table) {
			out = append(out, c.Table)
		}
	}
	return out
}

// show takes the lines of a page out of a report.
func (d *matchData) show(r *match.Report) {
	names, lists := parts(r)
	at := max(0, slices.Index(names, d.Part))
	if !slices.Contains(names, d.Part) { // the first with something in it
		at = max(0, slices.IndexFunc(lists, func(l []match.Line) bool { return len(l) > 0 }))
	}
	d.Part = names[at]
	for i, name := range names {
		d.Parts = append(d.Parts, matchPart{name, len(lists[i])})
	}
	lines := lists[at]
	from := min((d.Page-1)*perPage, len(lines))
	to := min(from+perPage, len(lines))
	tables := map[string]bool{}
	for i := from; i < to; i++ {
		l := &lines[i]
		d.Lines = append(d.Lines, matchLine{i, sheet.RowOf(l), l.For, l.Against, offers(l, d.Alone)})
		tables[l.Table] = tables[l.Table] || l.State == match.OnlyHere
	}
	for i := range r.OnlyThere {
		if l := &r.OnlyThere[i]; tables[l.Table] && len(d.Choices) < maxChoices {
			d.Choices = append(d.Choices, choice{l.Table, match.Shown(l.There), l.LabelThere})
		}
	}
	if d.Previous = d.Page - 1; to < len(lines) {
		d.Next = d.Page + 1
	}
}

// decideMatch keeps what a person says of lines of a part: all of it, or nothing.
func (p *Page) decideMatch(a *asked) error {
	if err := a.r.ParseForm(); err != nil {
		return tooLarge(err)
	}
	var d matchData
	report, err := a.matching(&d)
	if err != nil {
		return err
	}
	if report == nil {
		return errNothing
	}
	part := a.r.PostForm.Get("part")
	names, lists := parts(report)
	at := slices.Index(names, part)
	if at < 0 {
		return errNothing
	}
	if a.r.PostForm.Get("mark") != d.Mark {
		a.refuse(http.StatusConflict, a.view.printer.Say("It was compared or decided anew meanwhile. Nothing was kept: look at it again."))
		return nil
	}
	rows, err := a.decisions(lists[at], d.Alone)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		a.refuse(http.StatusUnprocessableEntity, a.view.printer.Say("Nothing was kept: say something of one line at least."))
		return nil
	}
	var file bytes.Buffer
	if err := sheet.WriteCSV(&file, rows); err != nil {
		return err
	}
	for _, r := range rows {
		if err := a.note("says of the row "+clean(r.KeyHere)+" of "+r.Table+": "+clean(r.Decision)+", beside "+clean(r.KeyThere), ""); err != nil {
			return err
		}
	}
	printed, err := a.do(Doing{Input: file.String()}, "match", "--decide=-", "--peer="+d.Parent)
	var told notDone
	if err != nil && !errors.As(err, &told) {
		return err
	}
	a.tell(printed, err != nil)
	http.Redirect(a.w, a.r, "/match?part="+part, http.StatusSeeOther)
	return nil
}

// decisions returns what a form says of lines, as a spreadsheet would.
func (a *asked) decisions(lines []match.Line, alone bool) (out []sheet.Row, err error) {
	for field, values := range a.r.PostForm {
		digits, ok := strings.CutPrefix(field, "say-")
		said := values[len(values)-1]
		if !ok || said == "" {
			continue
		}
		i, err := strconv.Atoi(digits)
		if err != nil || i < 0 || i >= len(lines) || !slices.Contains(offers(&lines[i], alone), said) {
			return nil, errNothing
		}
		r := sheet.RowOf(&lines[i])
		switch said {
		case "same":
			r.Decision = "same as " + r.KeyThere
		case "apart":
			r.Decision = "keep apart"
		case "choose":
			key := strings.TrimSpace(a.r.PostForm.Get("key-" + digits))
			if key == "" {
				return nil, errNothing
			}
			r.Decision = "same as " + key
		default:
			r.Decision = said
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(x, y sheet.Row) int { return strings.Compare(x.Table+"\x00"+x.KeyHere, y.Table+"\x00"+y.KeyHere) })
	return out, nil
}

// readMatch has the hub's file read: from a stick, or from the inbox.
func (p *Page) readMatch(a *asked) error {
	args := []string{"match", "--brief"}
	if url := a.r.PostFormValue("stick"); url != "" {
		found, err := a.sticks()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(found, func(s links.Stick) bool { return s.URL == url })
		if i < 0 {
			return errNothing
		}
		args = append(args, "--from="+found[i].Path)
	}
	return a.begin([]string{"match"}, &job{Task: taskMatch}, args)
}
