package access

// A Preset is a kind of network: what it says of a table that the profile knows, and of one that is new tomorrow.
type Preset string

const (
	NoPreset Preset = ""        // nothing is said
	Share    Preset = "share"   // as the profile says: all sites have all patients
	Collect  Preset = "collect" // a clinic's patients go up and to no other clinic; what the parent decides goes down
	Mirror   Preset = "mirror"  // the child is a copy of its parent: nothing goes up
)

// Presets returns all of them that a person may choose.
func Presets() []Preset { return []Preset{Collect, Share, Mirror} }

// Direction returns which way a table goes where the profile says another. owned: its rows belong to an owner's, such as a patient's, by
// what they refer to.
func (p Preset) Direction(profile Direction, owned bool) Direction {
	switch p {
	case Collect:
		return collected(profile, owned)
	case Mirror:
		return Meet(profile, Down)
	}
	return profile
}

func collected(profile Direction, owned bool) Direction {
	switch {
	case profile.goesUp() == nothing && owned:
		return None // the parent's rows about some clinic's patients
	case profile == Both, owned && profile.goesUp() > nothing:
		return Up
	case profile == Add:
		return Own
	}
	return profile
}
