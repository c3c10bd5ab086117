package page

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/page/accounts"
)

// conflictLine is a conflict in the list. Row is patients' data: empty for who may not see it.
type conflictLine struct {
	ID         uint64
	Table, Row string
	Columns    []string
	Lost, Kept side
	State      string
}

// side is who made a version, and when; zero: before omsync was there.
type side struct {
	By string
	At time.Time
}

func sideOf(s merge.Stamp) side {
	if conflicts.Before(s.Time) {
		return side{By: s.Author}
	}
	return side{s.Author, time.UnixMicro(s.Time)}
}

func lineOf(e *conflicts.Entry, rows bool) conflictLine {
	l := conflictLine{ID: e.ID(), Table: e.Table, Lost: sideOf(e.Loser), Kept: sideOf(e.Records[0].Winner), State: e.State}
	if rows {
		l.Row = e.Row
	}
	for _, r := range e.Records {
		l.Columns = append(l.Columns, r.Column)
	}
	return l
}

// conflictsData is what the list of conflicts shows.
type conflictsData struct {
	Conflicts []conflictLine
	More, All bool
	MayLook   bool
}

func (p *Page) conflicts(a *asked) error {
	d := conflictsData{All: a.r.URL.Query().Get("all") != "", MayLook: a.account.Role.May(accounts.Rows)}
	if d.MayLook {
		if err := a.note("looked at the list of conflicts", ""); err != nil {
			return err
		}
	}
	err := a.withNode(func(n *node.Node) error {
		l, err := conflicts.List(a.ctx(), n.DB, n.Journal, conflicts.Filter{All: d.All, OpenSince: time.Now().Add(-n.ConflictsOpen()), Limit: perPage})
		if err != nil {
			return err
		}
		d.More = l.More || l.Cut
		for _, e := range l.Conflicts {
			d.Conflicts = append(d.Conflicts, lineOf(e, d.MayLook))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.show(http.StatusOK, "conflicts", "Conflicts", d)
}

// conflictData is what the view of a conflict shows: patients' data.
type conflictData struct {
	conflictLine
	Values  []conflictValue
	Gone    bool // the row is not here
	Open    bool
	Decided string
	Changed bool // what was kept was changed again since
	Now     side // who made what is here now, of the first column that is here
}

// conflictValue is both versions of a column.
type conflictValue struct {
	Column        string
	Deletion      bool
	Lost, Now     string
	LostNull      bool
	NowNull, Here bool
	Bookkeeping   bool
}

// shown is a value, with the row that it refers to in words.
func shown(value *string, row string) (text string, null bool) {
	switch {
	case value == nil:
		return "", true
	case row != "":
		return row, false
	}
	return *value, false
}

func (p *Page) conflict(a *asked) error {
	id, err := a.number("id")
	if err != nil {
		return err
	}
	if err := a.note("looked at conflict "+strconv.FormatUint(id, 10), ""); err != nil {
		return err
	}
	var d conflictData
	err = a.withNode(func(n *node.Node) error {
		v, err := conflicts.Show(a.ctx(), n.DB, n.Journal, id, time.Now().Add(-n.ConflictsOpen()).UnixMicro())
		if errors.Is(err, journal.ErrNoConflict) {
			return errNothing
		}
		if err != nil {
			return err
		}
		d = conflictData{conflictLine: lineOf(&v.Entry, true), Gone: v.Gone, Open: true}
		for _, c := range v.Columns {
			x := conflictValue{Column: c.Column, Deletion: c.Deletion, Here: c.Here, Bookkeeping: c.Bookkeeping}
			x.Lost, x.LostNull = shown(c.Value, c.LostRow)
			x.Now, x.NowNull = shown(c.Now, c.NowRow)
			d.Values = append(d.Values, x)
			d.Changed = d.Changed || c.Here && !c.Kept()
			if c.Here && d.Now.By == "" {
				d.Now = sideOf(c.NowStamp)
			}
			if c.Resolution.How != "" && c.Resolution.How != merge.Open {
				d.Open, d.Decided = false, conflicts.Said(c.Resolution)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.show(http.StatusOK, "conflict", "A conflict", d)
}

// decide has a decision about a conflict carried out.
func (p *Page) decide(a *asked) error {
	id, err := a.number("id")
	if err != nil {
		return err
	}
	n := strconv.FormatUint(id, 10)
	args := map[string][]string{
		"lost": {"conflicts", "resolve", n, "--take=lost"}, "kept": {"conflicts", "resolve", n, "--take=kept"},
		"dismiss": {"conflicts", "dismiss", n}, "undo": {"conflicts", "undo", n},
	}[a.r.PathValue("how")]
	if args == nil {
		return errNothing
	}
	if a.r.PathValue("how") == "lost" && a.r.PostFormValue("anyway") == "yes" {
		args = append(args, "--anyway")
	}
	return a.act([]string{"conflicts", n}, args...)
}
