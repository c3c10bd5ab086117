package page

import (
	"net/http"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
)

// policyRule is who wins in a table, in a column, or in several.
type policyRule struct {
	Name   string
	Policy merge.Policy
}

// policiesData is what the view of policies shows: who wins conflicts, and where.
type policiesData struct {
	Rules  []policyRule
	Tables []string // of which one may be set
	Down   []string // tables that only go down: there the parent wins, whatever is set
	Ways   []merge.Policy
}

func (a *asked) policies() (d policiesData, err error) {
	d.Ways = []merge.Policy{merge.Newest, merge.Parent, merge.Child}
	err = a.withNode(func(n *node.Node) error {
		rules, err := n.StoredPolicyRules() // the node was opened before an act
		if err != nil {
			return err
		}
		for _, r := range rules {
			d.Rules = append(d.Rules, policyRule{r.Name, r.Policy})
		}
		for _, t := range n.Journal.Replicated() {
			if t.Direction == access.Down {
				d.Down = append(d.Down, t.Name)
			} else {
				d.Tables = append(d.Tables, t.Name)
			}
		}
		return nil
	})
	slices.Sort(d.Tables)
	slices.Sort(d.Down)
	return d, err
}

func (p *Page) policies(a *asked) error {
	d, err := a.policies()
	if err != nil {
		return err
	}
	return a.show(http.StatusOK, "policies", "Who wins", d)
}

// setPolicy says who wins in a table, or in one of its columns.
func (p *Page) setPolicy(a *asked) error {
	d, err := a.policies()
	if err != nil {
		return err
	}
	if err := a.r.ParseForm(); err != nil {
		return tooLarge(err)
	}
	f := a.r.PostForm
	name := f.Get("table")
	way, ok := merge.ParsePolicy(f.Get("policy"))
	if !ok || !slices.Contains(d.Tables, name) {
		return errNothing
	}
	if column := strings.TrimSpace(f.Get("column")); column != "" {
		name += "." + column
	}
	return a.act([]string{"policies"}, "conflicts", "policy", name, way.String())
}

// removePolicy takes back what was said of a table, a column, or several.
func (p *Page) removePolicy(a *asked) error {
	d, err := a.policies()
	if err != nil {
		return err
	}
	name := a.r.PostFormValue("rule")
	if !slices.ContainsFunc(d.Rules, func(r policyRule) bool { return r.Name == name }) {
		return errNothing
	}
	return a.act([]string{"policies"}, "conflicts", "policy", "--remove", "--", name)
}
