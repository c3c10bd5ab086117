package selfcheck

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/omsync/omsync/journal"
)

// Back says, in a sentence, whether one can go back to an earlier program, by the format of omsync's tables. earlier is the highest format
// that the earlier program knows; 0: nobody knows.
func Back(stored, earlier int) (can bool, says string) {
	half := journal.HalfUpgraded(stored)
	switch {
	case stored == 0:
		return false, "whether an earlier program could go on cannot be said: the database was not read"
	case half:
		return false, "an upgrade of the tables was begun: no earlier program goes on with them, only a backup of the database from before leads back"
	case earlier == 0 && stored < journal.Format:
		return true, fmt.Sprintf("the tables are as an earlier program left them: it can go on, until a run of this one upgrades them to format %d; after that only a backup of the database leads back, so make one now", journal.Format)
	case earlier == 0:
		return false, fmt.Sprintf("an earlier program goes on with these tables if its \"omsync version\" says journal format %d; with others only a backup of the database leads back", stored)
	case earlier == stored && stored < journal.Format:
		return true, fmt.Sprintf("it can go on with these tables, until a run of this one upgrades them to format %d; after that only a backup of the database leads back, so make one now", journal.Format)
	case earlier == stored:
		return true, "it can go on with these tables, and this one again after it"
	case earlier > stored:
		return false, fmt.Sprintf("it is a later program: its first run upgrades the tables to format %d", earlier)
	}
	return false, fmt.Sprintf("it knows formats up to %d and the tables are of format %d: only a backup of the database leads back", earlier, stored)
}

// FormatOf returns the journal's format that a program's "omsync version" says; 0: none.
func FormatOf(version string) int {
	m := regexp.MustCompile(`\bjournal format (\d{1,4})\b`).FindStringSubmatch(version)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}
