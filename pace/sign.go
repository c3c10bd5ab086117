package pace

// Sign is what says cheaply whether a database has something new: its newest epoch, and the newest change that is in no epoch yet.
type Sign struct {
	Epoch, Token uint64
	Captured     uint64 // its number; 0: there is none
}

// Seen is what a run has seen of its database: the sign before it began to look, and the one when it had ended.
type Seen struct{ Before, After Sign }

// News reports whether there is something now that the run has not seen. A change that stood there before the run and stands there after it
// is one that no run takes away, and no news.
func (s Seen) News(now Sign) bool {
	if now.Epoch != s.After.Epoch || now.Token != s.After.Token {
		return true
	}
	left := s.Before.Captured == s.After.Captured && now.Captured == s.After.Captured
	return now.Captured != 0 && !left
}
