package scope

import (
	"slices"

	"github.com/omsync/omsync/merge"
)

// View is where a row stands, and since when each child has it in sight.
type View struct {
	Owners []Owner // whose it is, see [Node.Owners]
	row    Row
	place  Place
	sights map[merge.Peer]Sight
}

// Look returns the view of a row, to be given to [Node.Follow] once the row has changed. A seal looks at all rows that it finds changed
// on the places from before the whole of it: see [Node.Before].
//
// Of a row that was not known here there is nothing to look at; but of a user.
func (n Node) Look(row Row) View {
	v := View{row: row, place: n.Place(row), sights: map[merge.Peer]Sight{}}
	v.Owners = n.OwnersAt(row, v.place)
	for _, p := range n.Children() {
		if s := n.Sight(p, row); s.In() {
			v.sights[p] = s
		}
	}
	return v
}

// Follow follows a row that has changed since the view was taken, by the application or by an import. If it refers to others than
// before, or came back, or died, a child that had it in sight keeps it, since when it had: its new owners enter that child's scope. For
// another child, in whose scope its new owners are, it comes into sight now, and what refers to it comes with it. Whom a user names is public.
//
// Who has the winner of a merge of patients does not get the loser by that. A public row brings nobody: all have it, whosever it comes to be.
//
// An owner whom a row leaves for another, or for nobody, is purged nowhere: see [Node.Purge].
//
// Where a row is an owner's because its key is (in OpenMRS, a person's row, which is the patient's if there is one), it is looked at and
// followed with the owner's row too, which comes or goes without it.
func (n Node) Follow(v View) {
	now := n.Place(v.row)
	if slices.Equal(v.place.To, now.To) && v.place.Kind != Staff {
		return
	}
	if now.Kind == Staff {
		n.Publish(now.To...)
		return
	}
	n.callOff(v, now)
	for _, p := range n.Children() {
		if had := v.sights[p]; had.In() {
			if !n.Public(v.row).In() {
				n.bring(p, v.row, now, maxSteps)
			}
			if n.Sight(p, v.row) != had {
				n.SetException(p, v.row, had)
			}
		} else if v.place.Alive && n.Sight(p, v.row).In() {
			n.SetException(p, v.row, Sight(n.Epoch()))
		}
	}
}
