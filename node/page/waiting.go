package page

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/page/accounts"
)

// waitingLine is a row that waits, in the list.
type waitingLine struct {
	ID           uint64
	Peer, Table  string
	Reason, Why  string
	Since, Tried time.Time
	Tries        int
	Deletion     bool
}

// waitingData is what the list of rows that wait shows.
type waitingData struct {
	Rows    []waitingLine
	Peer    string // only of this one
	Rest    uint64 // the number after which the next page begins; 0: this is the last
	Total   int64
	MayLook bool // who looks may see them
}

func lineOfWaiting(m *node.Names, q journal.WaitingRow) waitingLine {
	return waitingLine{q.ID, m.Peer(q.Peer), m.Table(q.Table), string(q.Reason.Code), q.Reason.Text, time.UnixMicro(q.Since), time.UnixMicro(q.Tried), q.Tries, !q.Alive}
}

func (p *Page) waiting(a *asked) error {
	d := waitingData{Peer: a.r.URL.Query().Get("peer"), MayLook: a.account.Role.May(accounts.Rows)}
	s, err := p.source.standing(a.ctx())
	if err != nil {
		return err
	}
	for _, w := range s.Quarantine {
		if d.Peer == "" || w.Peer == d.Peer {
			d.Total += w.Rows
		}
	}
	err = a.withNode(func(n *node.Node) error {
		m, err := n.Names(a.ctx())
		if err != nil {
			return err
		}
		f := journal.WaitingFilter{NotDropped: true, Limit: perPage + 1}
		f.After, _ = strconv.ParseUint(a.r.URL.Query().Get("after"), 10, 64)
		if d.Peer != "" {
			q, err := a.peer(n, d.Peer)
			if err != nil {
				return err
			}
			f.Peer = q.ID
		}
		return journal.Waiting(a.ctx(), n.DB, f, func(q journal.WaitingRow) error {
			d.Rows = append(d.Rows, lineOfWaiting(m, q))
			return nil
		})
	})
	if err != nil {
		return err
	}
	if len(d.Rows) > perPage {
		d.Rows = d.Rows[:perPage]
		d.Rest = d.Rows[perPage-1].ID
	}
	return a.show(http.StatusOK, "waiting", "Rows that wait", d)
}

// rowData is what the view of a row that waits shows. It is patients' data.
type rowData struct {
	waitingLine
	Key    string
	Values []rowValue
}

type rowValue struct {
	Column, Value string
	Null          bool
	Table         string // of the row that it refers to
}

func (a *asked) number(name string) (uint64, error) {
	id, err := strconv.ParseUint(a.r.PathValue(name), 10, 64)
	if err != nil || id == 0 {
		return 0, errNothing
	}
	return id, nil
}

func (p *Page) waitingRow(a *asked) error {
	id, err := a.number("id")
	if err != nil {
		return err
	}
	if err := a.note("looked at row "+strconv.FormatUint(id, 10)+" that waits", ""); err != nil {
		return err
	}
	var d *rowData
	err = a.withNode(func(n *node.Node) error {
		m, err := n.Names(a.ctx())
		if err != nil {
			return err
		}
		return journal.Waiting(a.ctx(), n.DB, journal.WaitingFilter{IDs: []uint64{id}, NotDropped: true}, func(q journal.WaitingRow) error {
			d = &rowData{waitingLine: lineOfWaiting(m, q), Key: q.Key}
			for column, v := range q.Content {
				x := rowValue{Column: column, Null: v.Text == nil, Table: v.Table}
				if v.Text != nil {
					x.Value = *v.Text
				}
				d.Values = append(d.Values, x)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if d == nil {
		return errNothing
	}
	slices.SortFunc(d.Values, func(x, y rowValue) int {
		if x.Column < y.Column {
			return -1
		}
		return 1
	})
	return a.show(http.StatusOK, "row", "A row that waits", d)
}

func (p *Page) retry(a *asked) error {
	if err := a.r.ParseForm(); err != nil {
		return tooLarge(err)
	}
	if peer := a.r.PostForm.Get("peer"); peer != "" {
		name, err := a.peerName(peer)
		if err != nil {
			return err
		}
		return a.act([]string{"waiting"}, "quarantine", "retry", "--peer="+name)
	}
	ids, err := numbers(a.r.PostForm["id"])
	if err == nil {
		ids, err = a.stillWaiting(ids)
	}
	if err != nil {
		return err
	}
	return a.act([]string{"waiting"}, append([]string{"quarantine", "retry"}, ids...)...)
}

// numbers returns what are numbers of rows, one at least.
func numbers(texts []string) ([]string, error) {
	for _, s := range texts {
		if n, err := strconv.ParseUint(s, 10, 64); err != nil || n == 0 {
			return nil, errNothing
		}
	}
	if len(texts) == 0 || len(texts) > perPage {
		return nil, errNothing
	}
	return texts, nil
}

// stillWaiting returns those of some rows that wait still, one at least: others may have acted, or a file come.
func (a *asked) stillWaiting(ids []string) (out []string, err error) {
	var wanted []uint64
	for _, id := range ids {
		n, _ := strconv.ParseUint(id, 10, 64) // they are numbers
		wanted = append(wanted, n)
	}
	err = a.withNode(func(n *node.Node) error {
		return journal.Waiting(a.ctx(), n.DB, journal.WaitingFilter{IDs: wanted, NotDropped: true}, func(q journal.WaitingRow) error {
			out = append(out, strconv.FormatUint(q.ID, 10))
			return nil
		})
	})
	if err == nil && len(out) == 0 {
		err = errNothing
	}
	return out, err
}

// tooLarge returns the error of a form that cannot be read.
func tooLarge(err error) error {
	if isTooLarge(err) {
		return err
	}
	return failure.Hinted(errors.New("the form cannot be read"), "go back and send it again")
}

func (p *Page) drop(a *asked) error {
	id, err := a.number("id")
	if err != nil {
		return err
	}
	if a.r.PostFormValue("sure") != "yes" {
		a.refuse(http.StatusUnprocessableEntity, a.view.printer.Say("Nothing was dropped: say that you are sure."))
		return nil
	}
	if _, err := a.stillWaiting([]string{strconv.FormatUint(id, 10)}); err != nil {
		return err
	}
	why := clean(a.r.PostFormValue("why"))
	return a.act([]string{"waiting"}, "quarantine", "drop", strconv.FormatUint(id, 10), "--why="+a.account.Name+": "+why)
}
