package merge

// AddedAs returns the author of the version of a live row's existence: the node whose application made the row, or which stamped that anew;
// "": nobody knows.
func (r Row) AddedAs() string {
	for _, g := range r.Groups {
		if g.Mask.Has(Existence) {
			return g.Author
		}
	}
	return ""
}
