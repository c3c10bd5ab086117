package selfcheck

import (
	"strings"
	"testing"

	"github.com/omsync/omsync/journal"
)

func TestBack(t *testing.T) {
	const own = journal.Format
	for _, c := range []struct {
		name            string
		stored, earlier int
		can             bool
		says            string
	}{
		{"not read", 0, own, false, "was not read"},
		{"half upgraded", 1000 + own - 1, own - 1, false, "was begun"},
		{"not upgraded yet", own - 1, 0, true, "until a run of this one upgrades them"},
		{"not upgraded yet, and it is that program", own - 1, own - 1, true, "until a run of this one upgrades them"},
		{"upgraded", own, own - 1, false, "only a backup"},
		{"older still", own - 1, own - 2, false, "only a backup"},
		{"the same format", own, own, true, "and this one again"},
		{"nobody knows which", own, 0, false, "journal format"},
		{"a later one", own, own + 1, false, "later program"},
	} {
		if can, says := Back(c.stored, c.earlier); can != c.can || !strings.Contains(says, c.says) {
			t.Errorf("%s: %v, %s", c.name, can, says)
		}
	}
}

func TestFormatOf(t *testing.T) {
	for text, want := range map[string]int{"omsync v0.3.0, batch format 1, journal format 7, go1.26 linux/amd64": 7, "omsync v0.1.0": 0, "": 0,
		"journal format 123456": 0, "journal format x": 0} {
		if got := FormatOf(text); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}
