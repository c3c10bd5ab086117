package accounts

// Role is what somebody may do on the page.
type Role string

// The roles. An Operator may do what a Viewer may.
const (
	Viewer   Role = "viewer"   // sees how it is going, and no patients' data
	Operator Role = "operator" // sees patients' rows, and acts
)

// Valid reports whether there is such a role.
func (r Role) Valid() bool { return r == Viewer || r == Operator }

// Right is what a view or an act of the page asks of who wants it.
type Right uint8

// The rights. The zero one is that of nobody, so that what names none is closed.
const (
	_      Right = iota
	Anyone       // also who is not logged in
	Look         // how it is going
	Rows         // patients' rows
	Act          // change something
)

// May is the one place that says what a role may do. The role of who is not logged in is empty.
func (r Role) May(right Right) bool {
	switch right {
	case Anyone:
		return true
	case Look:
		return r == Viewer || r == Operator
	case Rows, Act:
		return r == Operator
	}
	return false
}
