package merge

// Whose is what the sender of a row says of who added it.
type Whose uint8

const (
	Unsaid Whose = iota // or not believed: it is as it was known here, and the sender's if it is new
	Theirs              // the sender's, or it came to the sender from elsewhere
	Ours                // it came to the sender from this node
)

// SaysWhose returns what versions as they were sent say of who added the row: the epoch of its existence is 0 if its receiver did.
func SaysWhose(groups []SentGroup) Whose {
	for _, g := range groups {
		switch {
		case !g.Has(Existence):
		case g.Epoch == 0:
			return Ours
		default:
			return Theirs
		}
	}
	return Unsaid
}
