package merge

// TableSigns is what shows whether a table is the one that it was when it was last looked at, though its name is the same.
type TableSigns struct {
	Remade      bool // the server made or altered it since
	JournalToo  bool // omsync's own tables were made anew too, or nobody knows: then versions are as old as values
	Bare        bool // no trigger of omsync's is on it, though there were some
	Retriggered bool // those on it are there since, and omsync did not make them: a dump brought them
	Copied      bool // it was a copy of the table beside it, and took its name: triggers show it, or what was noted after it was made
}

// Replaced reports whether a table was dropped and made again, empty or from a dump: its rows may be older than what is known of them.
// To drop a table takes its triggers away; to alter it does not. A copy that took the table's place holds what the table held.
//
// Nobody knows then how old the values of a row are. So all of them count as found, with versions of time 0 ([Stamper.Found]): what a peer
// has of a row wins, what no peer has goes to all. Deletions that are known stay, and peers are asked for the table, also for what they
// have from here. Where triggers alone were missing, values are as new as what is known of them or newer: see [Stamper.Touch].
func (s TableSigns) Replaced() bool {
	return s.Remade && !s.JournalToo && (s.Bare || s.Retriggered) && !s.Copied
}

// FoundAgain returns what counts as known of a row after its table was replaced: of one that is here, versions of time 0; of one that is
// not, its deletion, if that was known, and nothing otherwise: a peer has it, or nobody.
//
// The simulation shows by it that the rule is right. A node does the same to all rows in SQL, by journal.Forget and a default version.
func (m Stamper) FoundAgain(prev Row, here bool, columns Mask) Row {
	switch {
	case here:
		return m.Found(columns)
	case prev.Known && !prev.Alive:
		return prev
	}
	return Row{}
}
