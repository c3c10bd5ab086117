package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/progress"
	"github.com/omsync/omsync/words"
)

// Sheet is what of a node needs somebody: to print, or to send to people elsewhere. It holds nothing of what rows hold.
type Sheet struct {
	Node  string
	At    time.Time
	Level progress.Level
	Says  progress.Text
	Parts []SheetPart // in order of need; none: nothing needs somebody
}

// SheetPart is about the node itself, or about a peer.
type SheetPart struct {
	Peer     string // "": the node itself
	Findings []progress.Finding
	Waiting  []SheetRows // rows of the peer that wait here
	Files    []string    // of the peer, or of none, that are not applied
	More     int         // files and tables that are not listed
}

// SheetRows is rows of a table that wait.
type SheetRows struct {
	Table string
	Rows  int64
	Since time.Time // of the oldest
}

// maxListed is how many parts a sheet has, and how many files and tables a part lists.
const maxListed = 30

// Sheet returns what needs somebody.
func (s *Status) Sheet(at time.Time) *Sheet {
	out := &Sheet{Node: s.Node, At: at, Level: s.Judged.Level, Says: s.Judged.Says}
	add := func(peer string, findings []progress.Finding) {
		p := SheetPart{Peer: peer}
		for _, f := range findings {
			if f.Level > progress.Well {
				p.Findings = append(p.Findings, f)
			}
		}
		if len(p.Findings) == 0 || len(out.Parts) == maxListed {
			return
		}
		p.list(s)
		out.Parts = append(out.Parts, p)
	}
	add("", s.Judged.Findings)
	for _, q := range s.Judged.Peers {
		add(q.Name, q.Findings)
	}
	return out
}

// list adds what waits of the part's peer. A file that is of no peer is the node's.
func (p *SheetPart) list(s *Status) {
	at := map[string]int{}
	for _, w := range s.Quarantine {
		if w.Peer != p.Peer {
			continue
		}
		i, ok := at[w.Table]
		switch {
		case ok:
			p.Waiting[i].Rows += w.Rows
			if w.Since.Before(p.Waiting[i].Since) {
				p.Waiting[i].Since = w.Since
			}
		case len(p.Waiting) == maxListed:
			p.More++
		default:
			at[w.Table] = len(p.Waiting)
			p.Waiting = append(p.Waiting, SheetRows{w.Table, w.Rows, w.Since})
		}
	}
	for _, f := range s.Troubled {
		switch {
		case f.Sender != p.Peer && (p.Peer != "" || slices.ContainsFunc(s.Peers, func(q Peer) bool { return q.Name == f.Sender })):
		case len(p.Files) == maxListed:
			p.More++
		default:
			p.Files = append(p.Files, f.File)
		}
	}
}

// Text returns the sheet as a text, in a person's language.
func (s *Sheet) Text(p *words.Printer) string {
	clean := p.Clean
	if clean == nil {
		clean = func(s string) string { return s }
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\n%s: %s\n", p.Say("What needs somebody at %s", s.Node), s.At.Local().Format("2006-01-02 15:04 -0700"), p.Level(s.Level), p.Text(s.Says))
	for _, part := range s.Parts {
		b.WriteString("\n")
		if part.Peer != "" {
			fmt.Fprintf(&b, "%s\n", clean(part.Peer))
		}
		for _, f := range part.Findings {
			fmt.Fprintf(&b, "- %s: %s\n", p.Level(f.Level), p.Text(f.Says))
			if next := p.Step(f.Next); next != "" {
				fmt.Fprintf(&b, "  -> %s\n", clean(next))
			}
		}
		for _, w := range part.Waiting {
			fmt.Fprintf(&b, "- %s: %s (%s)\n", clean(w.Table), p.Say("%d rows", w.Rows), p.Say("the oldest: %s", progress.Since(w.Since)))
		}
		for _, f := range part.Files {
			fmt.Fprintf(&b, "- %s: %s\n", p.Say("not applied"), clean(f))
		}
		if part.More > 0 {
			b.WriteString("- …\n")
		}
	}
	return b.String()
}
