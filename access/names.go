package access

import "github.com/omsync/omsync/merge"

// NewNames returns the columns in which a row that comes from the peer has a name that must not be another row's here: of one that is
// new here all of them, of one that is alive those that it changes. A parent's are taken as they are, and so is what was equal
// before: databases that were joined have two users "admin".
func (r Rules) NewNames(alive bool, changed merge.Mask) merge.Mask {
	switch {
	case r.up:
		return merge.Mask{}
	case !alive:
		return r.table.Names
	}
	return changed.And(r.table.Names)
}

// NameUse is how a row uses a name that another row has too.
type NameUse struct {
	New      bool // it comes with this name now: see [Rules.NewNames]
	Counted  bool // the name is one that the application counts at each site by itself, and in such a column
	Undashed bool // the row has the name with a dash before the last digit: who logs in may leave out that of a counted name
	Only     bool // the row has no other name
	Returns  bool // the row was deleted here, and comes back because others refer to it (see [Rules.Returns])
}

// NameTaken reports whether a row must not come with a name, because another has it: who has that name could not log in any more.
// Names that two sites counted alike are nobody's intention, and do no harm as long as both rows have another name; but 125 is in
// the way of 12-5, as the application finds both for 125. Who was deleted
// comes back with its names as they were, if nobody took them: whoever has one stays, also if it comes at the same time.
func NameTaken(row, other NameUse) bool {
	return row.New && (row.Returns || !other.Returns) && !(row.Counted && other.Counted && row.Undashed == other.Undashed && !row.Only && !other.Only)
}

// Counted reports whether a name looks like one that an application counts: digits, and perhaps a dash with a check digit.
func Counted(name string) bool {
	digits := len(name)
	if digits > 2 && name[digits-2] == '-' && name[digits-1] >= '0' && name[digits-1] <= '9' {
		digits -= 2
	}
	for _, c := range []byte(name[:digits]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return digits > 0
}
