package page

import (
	"net/http"
	"os"
	"strconv"

	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/compared"
	"github.com/omsync/omsync/node/page/accounts"
	"github.com/omsync/omsync/node/status"
)

// comparedData is what the view of a comparison shows. Found is patients' data: empty for who may not see it.
type comparedData struct {
	Peer     status.Peer
	Report   *compared.Kept // without its rows; nil: none is kept
	Differ   []compared.Table
	Found    []compared.Row
	Mark     string // of the report: what is said of another is not done
	Digest   bool   // it can be compared anew
	MayLook  bool
	Page     int
	Previous int
	Next     int
	Job      *jobView
}

// markOf tells one report of a peer from another.
func markOf(k *compared.Kept) string { return strconv.FormatInt(k.At.UnixMicro(), 36) }

// lastReport returns the report that is kept of a peer, whether the digest is, and its name.
func (a *asked) lastReport() (k *compared.Kept, digest bool, name string, err error) {
	name = a.r.PathValue("name")
	err = a.withNode(func(n *node.Node) error {
		q, err := a.peer(n, name)
		if err != nil {
			return err
		}
		_, gone := os.Stat(compared.Digest(n.Home, q.Name))
		digest = gone == nil
		k, err = compared.Last(n.Home, q)
		return err
	})
	return k, digest, name, err
}

func (p *Page) compared(a *asked) error {
	k, digest, name, err := a.lastReport()
	if err != nil {
		return err
	}
	d := comparedData{Report: k, Digest: digest, MayLook: a.account.Role.May(accounts.Rows), Page: pageNumber(a.r), Job: p.acts.job().view()}
	s, err := p.source.standing(a.ctx())
	if err != nil {
		return err
	}
	for _, q := range s.Peers {
		if q.Name == name {
			d.Peer = q
		}
	}
	if d.Peer.Name == "" {
		return errNothing
	}
	if k != nil {
		d.Mark = markOf(k)
		for _, t := range k.Tables {
			if !t.Equal {
				d.Differ = append(d.Differ, t)
			}
		}
		rows := k.Found
		k.Found = nil
		if d.MayLook && len(rows) > 0 {
			if err := a.note("looked at rows of "+name+" that differ", ""); err != nil {
				return err
			}
			from := min((d.Page-1)*perPage, len(rows))
			d.Found = rows[from:min(from+perPage, len(rows))]
			d.Previous = d.Page - 1
			if from+perPage < len(rows) {
				d.Next = d.Page + 1
			}
		}
	}
	return a.show(http.StatusOK, "compared", "What differs", d)
}

// missing is what is to become of rows that are gone at one site.
func (a *asked) missing() (string, error) {
	switch m := a.r.PostFormValue("missing"); m {
	case "", "restore":
		return "restore", nil
	case "delete":
		return m, nil
	}
	return "", errNothing
}

// compareAgain compares with the digest that came last, and says what a repair would do.
func (p *Page) compareAgain(a *asked) error {
	_, digest, name, err := a.lastReport()
	if err != nil {
		return err
	}
	missing, err := a.missing()
	if err != nil || !digest {
		return errNothing
	}
	return a.begin([]string{"sites", name, "compared"}, &job{Task: taskCompare}, []string{"verify", "--kept", "--brief", "--peer=" + name, "--missing=" + missing})
}

// repair does what the report says that was looked at.
func (p *Page) repair(a *asked) error {
	k, digest, name, err := a.lastReport()
	if err != nil {
		return err
	}
	switch {
	case k == nil || !digest:
		return errNothing
	case a.r.PostFormValue("mark") != markOf(k) || !k.Repaired.IsZero():
		a.refuse(http.StatusConflict, a.view.printer.Say("It was compared anew or repaired meanwhile. Nothing was done: look at it again."))
		return nil
	case a.r.PostFormValue("sure") != "yes":
		a.refuse(http.StatusUnprocessableEntity, a.view.printer.Say("Nothing was repaired: say that you are sure."))
		return nil
	}
	missing := "delete"
	if k.Restored {
		missing = "restore"
	}
	return a.begin([]string{"sites", name, "compared"}, &job{Task: taskRepair}, []string{"verify", "--kept", "--brief", "--peer=" + name, "--missing=" + missing, "--repair", "--yes"})
}
