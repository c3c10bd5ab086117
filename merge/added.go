package merge

// AddedAs returns the author of the version of a live row's existence, where that alone says who added the row; "": it is known otherwise, see
// [Row.AddedBy], or not at all.
func (r Row) AddedAs() string {
	if v, _ := r.existence(); !v.Added.Stored {
		return v.Author
	}
	return ""
}

// AddedHere reports whether a live row is known to have been made at the node of that name.
func (r Row) AddedHere(self string) bool {
	v, ok := r.existence()
	return ok && v.addedBy() == 0 && (v.Added.Stored || v.Author == self && self != "")
}
