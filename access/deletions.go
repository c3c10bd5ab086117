package access

// What a child deletes of one table within a day, up to FreeDeletions rows or up to one row in DeletionShare of the table, is nothing
// that a person has to see.
const (
	FreeDeletions = 200
	DeletionShare = 100
)

// Deletions is what a peer deletes of one table. Counted are rows that are alive here and that the peer may delete.
type Deletions struct {
	Now     int64   // rows in the import at hand
	Earlier []int64 // rows in each of its imports of the last day, in order
	Left    int64   // rows that the table has before the import at hand
}

// Few reports whether deletions need no person however many rows the table has: Left need not be known.
func (d Deletions) Few() bool {
	sum := d.Now
	for _, n := range d.Earlier {
		sum += n
	}
	return sum <= FreeDeletions
}

// NeedPerson reports whether deletions wait until a person has agreed: a child deletes too much at once, or in many imports within a
// day. What a person agreed to earlier counts no more: an import that went too far and is applied all the same is one of those.
// Parents are not held.
func (r Rules) NeedPerson(d Deletions) bool {
	if r.up {
		return false
	}
	all := d.Left
	for _, n := range d.Earlier {
		all += n
	}
	sum := int64(0)
	for _, n := range d.Earlier {
		if sum += n; tooMany(sum, all) {
			sum = 0
		}
	}
	return tooMany(sum+d.Now, all)
}

// tooMany reports whether n deletions are too many for a table that had so many rows.
func tooMany(n, of int64) bool { return n > FreeDeletions && n > of/DeletionShare }
