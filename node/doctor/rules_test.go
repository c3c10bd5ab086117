package doctor

import (
	"fmt"
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

func TestClashes(t *testing.T) {
	for _, c := range []struct {
		what string
		uses []use
		want string
	}{
		{"nobody", nil, "[]"},
		{"two user names, in letters of any size", []use{{"ann", 1, false, true}, {"Ann", 2, false, true}}, "[ann (numbers 1 2)]"},
		{"a user name that is another's system id", []use{{"ann", 1, false, false}, {"ann", 2, true, true}}, "[ann (numbers 1 2)]"},
		{"system ids that two sites counted", []use{{"12-5", 1, true, true}, {"12-5", 2, true, true}}, "[]"},
		{"one of them has no other name", []use{{"12-5", 1, true, false}, {"12-5", 2, true, true}}, "[12-5 (numbers 1 2)]"},
		{"a system id that somebody chose", []use{{"admin", 1, true, true}, {"admin", 2, true, true}}, "[admin (numbers 1 2)]"},
		{"both names of one person", []use{{"ann", 1, true, false}, {"ann", 1, false, false}}, "[]"},
		{"two names", []use{{"a", 1, false, false}, {"a", 2, false, false}, {"b", 3, false, false}, {"b", 4, false, false}}, "[a (numbers 1 2) b (numbers 3 4)]"},
	} {
		if got := fmt.Sprint(clashes(c.uses)); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestMutants(t *testing.T) {
	mutation.Check(t, "^TestClashes$",
		mutation.Mutant{Rule: "a person is nobody else", File: "names.go", Old: "a != b && ", New: ""},
		mutation.Mutant{Rule: "who has no other name cannot log in", File: "names.go", Old: "row.Only && !u.other", New: "false"},
		mutation.Mutant{Rule: "names that sites count do no harm", File: "names.go", Old: "row.Counted && u.counted", New: "false"},
		mutation.Mutant{Rule: "letters of any size are one name", File: "names.go", Old: "!strings.EqualFold(u.name, uses[0].name)", New: "u.name != uses[0].name"},
	)
}
