package page

import (
	"net/http"
	"slices"

	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/links"
)

// sticksData is what the view of sticks shows.
type sticksData struct {
	Sticks []links.Stick
	Job    *jobView
}

// sticks returns where sticks are, or are to be.
func (a *asked) sticks() (out []links.Stick, err error) {
	err = a.withNode(func(n *node.Node) error {
		out = links.Sticks(n)
		return nil
	})
	return out, err
}

func (p *Page) stick(a *asked) error {
	d := sticksData{Job: p.acts.job().view()}
	var err error
	if d.Sticks, err = a.sticks(); err != nil {
		return err
	}
	return a.show(http.StatusOK, "stick", "A stick", d)
}

// useStick copies to a stick, or reads one: only one that is offered.
func (p *Page) useStick(a *asked) error {
	found, err := a.sticks()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(found, func(s links.Stick) bool { return s.URL == a.r.PostFormValue("stick") })
	if i < 0 {
		return errNothing
	}
	s := found[i]
	switch t := task(a.r.PathValue("how")); t {
	case taskCopy:
		return a.begin([]string{"stick"}, &job{Task: t, Stick: s.Path}, []string{"export"}, []string{"push", "--link=" + s.URL})
	case taskRead:
		return a.begin([]string{"stick"}, &job{Task: t, Stick: s.Path}, []string{"sync", "--link=" + s.URL})
	}
	return errNothing
}
