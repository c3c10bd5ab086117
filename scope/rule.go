package scope

import (
	"errors"
	"fmt"
	"slices"

	"github.com/omsync/omsync/merge"
)

// MaxEncounters is how many of the last encounters a rule may look at.
const MaxEncounters = 20

// Rule says which owners are to be in a scope, by what their rows are here: one of the three. The names are those of rows of metadata, or their uuids.
type Rule struct {
	Location   string `toml:"location"`   // one of the last encounters was there
	Encounters int    `toml:"encounters"` // how many of the last ones count; 0: one
	Program    string `toml:"program"`    // enrolled, and the enrolment has no end
	Attribute  string `toml:"attribute"`  // a person's attribute of this type is Value
	Value      string `toml:"value"`
}

// Check returns an error for what cannot be meant.
func (r Rule) Check() error {
	kinds := 0
	for _, s := range []string{r.Location, r.Program, r.Attribute} {
		if s != "" {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return errors.New("say one of location, program and attribute")
	case r.Encounters != 0 && r.Location == "":
		return errors.New("encounters goes with location")
	case r.Encounters < 0 || r.Encounters > MaxEncounters:
		return fmt.Errorf("encounters is %d: write a number from 1 to %d", r.Encounters, MaxEncounters)
	case (r.Attribute == "") != (r.Value == ""):
		return errors.New("attribute and value go together")
	}
	return nil
}

// String returns the rule as text: that of another differs.
func (r Rule) String() string {
	return fmt.Sprintf("location %q encounters %d program %q attribute %q value %q", r.Location, max(r.Encounters, 1), r.Program, r.Attribute, r.Value)
}

// PlanOf is [Node.Plan] for some owners alone, of whom the rules were asked: of these they want some in the scope. Nothing changes for others.
func (n Node) PlanOf(p merge.Peer, asked, wanted []Owner) Change {
	var c Change
	if n.Child(p).All {
		return c
	}
	stays := map[Owner]bool{}
	for _, o := range wanted {
		if !stays[o] && !n.Entry(p, o).In() {
			c.Enter = append(c.Enter, o)
		}
		stays[o] = true
	}
	for _, o := range asked {
		if e := n.Entry(p, o); e.In() && e.Rule && !stays[o] {
			c.Leave = append(c.Leave, o)
			stays[o] = true
		}
	}
	slices.Sort(c.Enter)
	slices.Sort(c.Leave)
	return c
}

// fewLeave is how many owners a rule may take out, whatever part of all that is.
const fewLeave = 20

// TakesMost reports whether a change takes out so many of those whom rules brought that a person should look first: more than a few, and more than
// half. A rule whose metadata somebody changed takes everybody out.
func (c Change) TakesMost(brought int) bool {
	return len(c.Leave) > fewLeave && 2*len(c.Leave) > brought
}
