package access

import "github.com/omsync/omsync/merge"

// TakesResolution reports whether the peer may settle conflicts of a row: one that it may change itself. What was decided above counts
// for every row. added is as in [Rules.TakesRow].
func (r Rules) TakesResolution(row merge.Row, added Added) bool { return r.TakesRow(row, added) }

// Resolves reports whether a conflict about these columns of a row may be settled here, on the link to the peer: what is decided below
// must reach the parent, or the two would differ until the parent's next change. Towards a child everything may.
func (r Rules) Resolves(row merge.Row, columns merge.Mask) bool {
	return !r.up || r.SendsRow(row, false) && !columns.Meets(r.SendsNot())
}

// TakesLost reports whether values that lost, of which the peer told, may be put into columns of a row: what a peer may not write itself
// does not get in by the record of a conflict either. added is as in [Rules.TakesRow].
func (r Rules) TakesLost(row merge.Row, columns merge.Mask, added Added) bool {
	return r.TakesRow(row, added) && r.Writes(columns) == columns
}
