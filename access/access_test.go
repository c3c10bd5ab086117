package access_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
)

const (
	peer   merge.Peer = 7
	third  merge.Peer = 8
	above  merge.Peer = 2
	before merge.Peer = 3
)

var (
	upOnly     = merge.Bit(3)
	insertOnly = merge.Bit(4)
	all        = merge.Everything()
	none       = merge.Mask{}
)

// rows are the kinds of rows that the rules tell apart, by the letters of the table below.
var rows = []struct {
	letter byte
	merge.Row
	access.Added
}{
	{'u', merge.Row{}, access.Added{}}, // never heard of
	{'o', live(0), access.Added{}},     // made here
	{'p', live(peer), access.Added{}},
	{'t', live(third), access.Added{}},
	{'g', live(above), access.Added{}},           // from this node's parent
	{'b', live(before), access.Added{}},          // from the peer, before it was set up anew
	{'r', by(live(0), "clinic"), access.Added{}}, // from the peer, before it was restored
	{'q', by(live(0), "other"), access.Added{}},  // from another one, before that
	{'d', dead, access.Added{}},                  // deleted, and nobody knows whose it was
	{'O', dead, access.Added{Known: true}},
	{'P', dead, access.Added{Known: true, By: peer}},
	{'T', dead, access.Added{Known: true, By: third}},
}

var dead = merge.Row{Known: true}

func live(from merge.Peer) merge.Row {
	v := merge.Version{From: from, Stamp: merge.Stamp{Time: 5, Author: "self"}, Epoch: 5}
	return merge.Row{Known: true, Alive: true, Groups: []merge.Group{{Mask: merge.Bits(3), Version: v}}}
}

func by(r merge.Row, author string) merge.Row {
	r.Groups[0].Author = author
	return r
}

var ends = access.Ends{Self: "self", Peer: "clinic", Before: []merge.Peer{before}, Parents: []merge.Peer{above}}

// want has a line for each direction, whether rows give rights or are code, and what the peer is. The columns:
//
//	sends      whether rows go to the peer; "all": every one
//	row        the rows that do, and after the slash those whose deletion by the peer was refused here
//	kept       whether the latter are looked for
//	not        whether columns are left out of what goes
//	conflict   the records that go: of values (v), of deletions that lost (d)
//	never      the rows of which all never goes; where there is none, "up" for columns alone, "-" for nothing
//	takes      whether anything is taken from the peer
//	row        the rows that it may change, delete or bring back, and after the slash the deleted ones that come back as they were here
//	not        whether columns are left out of what comes
//	conflict   the records that are taken
//	policy     what decides, where newest is configured
//	refused    whether deletions by the peer that are refused here are remembered
//	dead       the rows whose deletions go, if they were deleted by whom they are from
//	back       the rows that go back if the peer has lost the table, and after the slash those that do if it was restored; that nothing does is "-"
//	taken      how many versions are taken of rows that are not taken otherwise: of one that is not here and has this node as author, one that
//	           is said to be from here, and another; then of one made here, and of one that came from the peer, this node's and another's
const want = `
both plain  parent | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not up conflict vd never up           | takes yes row uoptgbrqdOPT/- not -  conflict vd policy newest refused no  dead optgbrq back -/-   taken -
both plain  child  | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not -  conflict vd never -            | takes yes row uoptgbrqdOPT/- not up conflict vd policy newest refused no  dead optgbrq back -/-   taken -
both rights parent | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not up conflict vd never up           | takes yes row uoptgbrqdOPT/- not -  conflict vd policy newest refused no  dead optgbrq back -/-   taken -
both rights child  | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not -  conflict vd never -            | takes yes row uoptgbrqdOPT/- not up conflict vd policy newest refused no  dead optgbrq back -/-   taken -
both code   parent | sends no   row -/uoptgbrqdOPT            kept no  not up conflict -  never uoptgbrqdOPT | takes yes row uoptgbrqdOPT/- not -  conflict vd policy parent refused yes dead -       back -/-   taken -
both code   child  | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not -  conflict vd never -            | takes no  row -/-            not up conflict -  policy parent refused no  dead optgbrq back -/-   taken -
down plain  parent | sends no   row -/uoptgbrqdOPT            kept yes not up conflict d  never uoptgbrqdOPT | takes yes row uoptgbrqdOPT/- not -  conflict vd policy parent refused yes dead -       back -/-   taken -
down plain  child  | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not -  conflict vd never -            | takes no  row -/dOPT         not up conflict d  policy parent refused no  dead optgbrq back -/-   taken -
down rights parent | sends no   row -/uoptgbrqdOPT            kept no  not up conflict -  never uoptgbrqdOPT | takes yes row uoptgbrqdOPT/- not -  conflict vd policy parent refused yes dead -       back -/-   taken -
down rights child  | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not -  conflict vd never -            | takes no  row -/-            not up conflict -  policy parent refused no  dead optgbrq back -/-   taken -
down code   parent | sends no   row -/uoptgbrqdOPT            kept no  not up conflict -  never uoptgbrqdOPT | takes yes row uoptgbrqdOPT/- not -  conflict vd policy parent refused yes dead -       back -/-   taken -
down code   child  | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not -  conflict vd never -            | takes no  row -/-            not up conflict -  policy parent refused no  dead optgbrq back -/-   taken -
add  plain  parent | sends some row uotgbrqdOPT/uoptgbrqdOPT  kept yes not up conflict vd never p            | takes yes row uoptgbrqdOPT/- not -  conflict vd policy newest refused yes dead optgbrq back -/-   taken -
add  plain  child  | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not -  conflict vd never -            | takes yes row updP/dOT       not up conflict vd policy newest refused no  dead optgbrq back -/-   taken -
add  rights parent | sends some row uotgbrqdOPT/uoptgbrqdOPT  kept no  not up conflict vd never p            | takes yes row uoptgbrqdOPT/- not -  conflict vd policy newest refused yes dead optgbrq back -/-   taken -
add  rights child  | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not -  conflict vd never -            | takes yes row updP/-         not up conflict vd policy newest refused no  dead optgbrq back -/-   taken -
add  code   parent | sends no   row -/uoptgbrqdOPT            kept no  not up conflict -  never uoptgbrqdOPT | takes yes row uoptgbrqdOPT/- not -  conflict vd policy parent refused yes dead -       back -/-   taken -
add  code   child  | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not -  conflict vd never -            | takes no  row -/-            not up conflict -  policy parent refused no  dead optgbrq back -/-   taken -
none plain  parent | sends no   row -/-                       kept no  not up conflict -  never up           | takes no  row -/-            not -  conflict -  policy newest refused yes dead -       back -/-   taken -
none plain  child  | sends no   row -/-                       kept no  not -  conflict -  never -            | takes no  row -/-            not up conflict -  policy newest refused no  dead -       back -/-   taken -
none rights parent | sends no   row -/-                       kept no  not up conflict -  never up           | takes no  row -/-            not -  conflict -  policy newest refused yes dead -       back -/-   taken -
none rights child  | sends no   row -/-                       kept no  not -  conflict -  never -            | takes no  row -/-            not up conflict -  policy newest refused no  dead -       back -/-   taken -
none code   parent | sends no   row -/-                       kept no  not up conflict -  never up           | takes no  row -/-            not -  conflict -  policy newest refused yes dead -       back -/-   taken -
none code   child  | sends no   row -/-                       kept no  not -  conflict -  never -            | takes no  row -/-            not up conflict -  policy newest refused no  dead -       back -/-   taken -
up   plain  parent | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not up conflict vd never up           | takes no  row -/-            not -  conflict -  policy child  refused no  dead optgbrq back -/-   taken 110 1 0 1 0
up   plain  child  | sends no   row -/-                       kept no  not -  conflict -  never uotgqdOPT    | takes yes row uoptgbrqdOPT/- not up conflict vd policy child  refused no  dead -       back pbr/r taken -
up   rights parent | sends all  row uoptgbrqdOPT/uoptgbrqdOPT kept no  not up conflict vd never up           | takes no  row -/-            not -  conflict -  policy child  refused no  dead optgbrq back -/-   taken 110 1 0 1 0
up   rights child  | sends no   row -/-                       kept no  not -  conflict -  never uotgqdOPT    | takes yes row uoptgbrqdOPT/- not up conflict vd policy child  refused no  dead -       back pbr/r taken -
up   code   parent | sends no   row -/-                       kept no  not up conflict -  never up           | takes no  row -/-            not -  conflict -  policy newest refused yes dead -       back -/-   taken -
up   code   child  | sends no   row -/-                       kept no  not -  conflict -  never -            | takes no  row -/-            not up conflict -  policy newest refused no  dead -       back -/-   taken -
own  plain  parent | sends some row uotgbrqdOPT/uoptgbrqdOPT  kept yes not up conflict vd never p            | takes yes row uoptgbrqdOPT/- not -  conflict vd policy newest refused yes dead optgbrq back -/-   taken -
own  plain  child  | sends some row opgbr/opgbr               kept no  not -  conflict -  never tq           | takes yes row updP/dOT       not up conflict vd policy newest refused no  dead opgbr   back -/-   taken -
own  rights parent | sends some row uotgbrqdOPT/uoptgbrqdOPT  kept no  not up conflict vd never p            | takes yes row uoptgbrqdOPT/- not -  conflict vd policy newest refused yes dead optgbrq back -/-   taken -
own  rights child  | sends some row opgbr/opgbr               kept no  not -  conflict -  never tq           | takes yes row updP/-         not up conflict vd policy newest refused no  dead opgbr   back -/-   taken -
own  code   parent | sends no   row -/-                       kept no  not up conflict -  never up           | takes no  row -/-            not -  conflict -  policy newest refused yes dead -       back -/-   taken -
own  code   child  | sends no   row -/-                       kept no  not -  conflict -  never -            | takes no  row -/-            not up conflict -  policy newest refused no  dead -       back -/-   taken -
`

func TestAllCombinations(t *testing.T) {
	var got []string
	for _, d := range []access.Direction{access.Both, access.Down, access.Add, access.None, access.Up, access.Own} {
		for _, kind := range []access.Table{{}, {Rights: true}, {Code: true}} {
			for _, role := range []access.Role{access.Parent, access.Child} {
				table := access.Table{Direction: d, Rights: kind.Rights, Code: kind.Code, ExcludedUp: upOnly, InsertOnly: insertOnly}
				got = append(got, line(table, role))
			}
		}
	}
	var expected []string
	for l := range strings.Lines(want) {
		if l = strings.Join(strings.Fields(l), " "); l != "" {
			expected = append(expected, l)
		}
	}
	if len(expected) != 36 {
		t.Fatalf("%d lines are expected, not 36", len(expected))
	}
	for i := range expected {
		if got[i] != expected[i] {
			t.Errorf("got  %s\nwant %s", got[i], expected[i])
		}
	}
}

func line(table access.Table, role access.Role) string {
	r := access.On(table, peer, role).Between(ends)
	sends := "no"
	if r.Sends() {
		sends = "some"
	}
	if r.SendsAllRows() {
		sends = "all"
	}
	if all := r.TakesRow(live(0), access.Added{}); all != r.TakesAllRows() {
		return "takes all rows is wrong"
	}
	takes := "no"
	if r.Takes() {
		takes = "yes"
	}
	policy := "newest"
	switch r.Policies(merge.Policies{}) {
	case merge.All(merge.Parent):
		policy = "parent"
	case merge.All(merge.Child):
		policy = "child"
	}
	never := which(func(m merge.Row) bool { return r.NeverSent(m, merge.Unsaid) == all })
	if never == "-" {
		never = columns(r.NeverSent(live(0), merge.Unsaid))
	}
	kind := "plain"
	switch {
	case table.Rights:
		kind = "rights"
	case table.Code:
		kind = "code"
	}
	return fmt.Sprintf("%s %s %s | sends %s row %s/%s kept %s not %s conflict %s never %s | takes %s row %s/%s not %s conflict %s policy %s refused %s dead %s back %s/%s taken %s",
		table.Direction, kind, role,
		sends, which(func(m merge.Row) bool { return r.SendsRow(m, false) }), which(func(m merge.Row) bool { return r.SendsRow(m, true) }),
		map[bool]string{false: "no", true: "yes"}[r.SendsKept()], columns(r.SendsNot()), records(r.SendsConflict), never,
		takes, takenOf(r.TakesRow), returned(r), columns(r.TakesNot()), records(r.TakesConflict), policy,
		map[bool]string{false: "no", true: "yes"}[r.RemembersRefused()],
		which(func(m merge.Row) bool { return m.Alive && r.SendsDeletion(m.Groups[0].Version) }),
		which(func(m merge.Row) bool { return r.GoesBack(m, true, 9) }), which(func(m merge.Row) bool { return r.GoesBack(m, false, 4) }), takenBack(r))
}

// takenBack says which versions are taken of rows that are not taken otherwise.
func takenBack(r access.Rules) string {
	if !r.TakesBack() {
		return "-"
	}
	own := merge.SentGroup{Mask: merge.Bits(3), Sent: merge.Sent{Stamp: merge.Stamp{Time: 9, Author: "self"}, Epoch: 9}}
	told, others := own, own
	told.Author, told.Epoch, others.Author = "other", 0, "other"
	s := ""
	for _, g := range []merge.SentGroup{own, told, others} {
		s += fmt.Sprint(len(r.Back(merge.Row{}, []merge.SentGroup{g})))
	}
	for _, row := range []merge.Row{live(0), live(peer)} {
		s += fmt.Sprint(" ", len(r.Back(row, []merge.SentGroup{own})), len(r.Back(row, []merge.SentGroup{others})))
	}
	return s
}

func which(is func(merge.Row) bool) string {
	var s []byte
	for _, r := range rows {
		if is(r.Row) {
			s = append(s, r.letter)
		}
	}
	if s == nil {
		return "-"
	}
	return string(s)
}

func takenOf(is func(merge.Row, access.Added) bool) string {
	var s []byte
	for _, r := range rows {
		if is(r.Row, r.Added) {
			s = append(s, r.letter)
		}
	}
	return cmp.Or(string(s), "-")
}

// returned lists the deleted rows that come back as they were; the table as a whole must say so too.
func returned(r access.Rules) string {
	return takenOf(func(m merge.Row, a access.Added) bool { return m.Known && !m.Alive && r.ReturnsRows() && r.Returns(a) })
}

func columns(m merge.Mask) string {
	switch m {
	case merge.Mask{}:
		return "-"
	case upOnly:
		return "up"
	}
	return fmt.Sprint(m)
}

func records(may func(deletion bool) bool) string {
	s := ""
	if may(false) {
		s = "v"
	}
	if may(true) {
		s += "d"
	}
	if s == "" {
		return "-"
	}
	return s
}

// Whatever a node sends, its peer takes: the rules of the two ends fit.
func TestWhatIsSentIsTaken(t *testing.T) {
	sender := ends
	for _, d := range []access.Direction{access.Both, access.Down, access.Add, access.None, access.Up, access.Own} {
		for _, kind := range []access.Table{{}, {Rights: true}, {Code: true}, {Rights: true, Code: true}, {Secrets: access.AllSecrets}} {
			for _, ends := range [][2]access.Role{{access.Parent, access.Child}, {access.Child, access.Parent}} {
				table := access.Table{Direction: d, Rights: kind.Rights, Code: kind.Code, ExcludedUp: upOnly, ExcludedDown: insertOnly, Secrets: kind.Secrets}
				from, to := access.On(table, peer, ends[0]).Between(sender), access.On(table, peer, ends[1])
				name := fmt.Sprintf("%s, rights %t, code %t, to the %s", d, kind.Rights, kind.Code, ends[0])
				if from.SendsRow(live(0), false) && !to.TakesRow(merge.Row{}, access.Added{}) {
					t.Errorf("%s: a new row is sent and not taken", name)
				}
				if from.SendsKept() && from.SendsRow(live(0), true) && !to.TakesRow(dead, access.Added{Known: true}) && !to.ReturnsRows() {
					t.Errorf("%s: a row whose deletion was refused is sent and does not return", name)
				}
				if from.SendsNot() != to.TakesNot() {
					t.Errorf("%s: columns %v are left out of what is sent, and %v of what is taken", name, from.SendsNot(), to.TakesNot())
				}
				for _, deletion := range []bool{false, true} {
					if from.SendsConflict(deletion) && !to.TakesConflict(deletion) {
						t.Errorf("%s: a record (of a deletion: %t) is sent and not taken", name, deletion)
					}
				}
			}
		}
	}
}

func TestFlows(t *testing.T) {
	for d, code := range map[access.Direction]access.Direction{access.Both: access.Down, access.Down: access.Down, access.Add: access.Down, access.None: access.None, access.Up: access.None, access.Own: access.None} {
		if got := (access.Table{Direction: d}).Flows(); got != d {
			t.Errorf("%s flows %s", d, got)
		}
		if got := (access.Table{Direction: d, Code: true}).Flows(); got != code {
			t.Errorf("%s, as code, flows %s, want %s", d, got, code)
		}
	}
}

// Secrets never go up, and down as far as they are released.
func TestSecrets(t *testing.T) {
	for _, x := range []struct {
		secrets         access.Secrets
		role            access.Role
		not, withhold   merge.Mask
		takesNot, never merge.Mask
	}{
		{access.NoSecrets, access.Parent, upOnly, none, none, upOnly},
		{access.SomeSecrets, access.Parent, upOnly, none, none, upOnly},
		{access.AllSecrets, access.Parent, upOnly, none, none, upOnly},
		{access.NoSecrets, access.Child, upOnly, none, upOnly, none},
		{access.SomeSecrets, access.Child, none, upOnly, upOnly, none},
		{access.AllSecrets, access.Child, none, none, upOnly, none},
	} {
		r := access.On(access.Table{ExcludedUp: upOnly, Secret: upOnly, Secrets: x.secrets}, peer, x.role)
		if r.SendsNot() != x.not || r.Withholds() != x.withhold || r.TakesNot() != x.takesNot || r.NeverSent(live(0), merge.Unsaid) != x.never {
			t.Errorf("secrets %d, to the %s: not %v, withheld %v; not taken %v, never sent %v", x.secrets, x.role, r.SendsNot(), r.Withholds(), r.TakesNot(), r.NeverSent(live(0), merge.Unsaid))
		}
	}
}

func TestWrites(t *testing.T) {
	r := access.On(access.Table{InsertOnly: insertOnly}, peer, access.Child)
	if got := r.Writes(all); got != all.Without(insertOnly) {
		t.Errorf("got %v", got)
	}
}

func TestPoliciesAreTheConfiguredOnes(t *testing.T) {
	p := merge.Policies{Parent: merge.Bits(2), Child: merge.Bits(12)}
	if got := access.On(access.Table{Direction: access.Add}, peer, access.Child).Policies(p); got != p {
		t.Errorf("%v became %v", p, got)
	}
}

func TestRoles(t *testing.T) {
	for r, want := range map[access.Role]bool{access.Parent: true, access.Child: true, "": false, "Parent": false, "sibling": false} {
		if r.Valid() != want {
			t.Errorf("%q is valid: %t", r, r.Valid())
		}
	}
	names := []string{access.Both.String(), access.Down.String(), access.Add.String(), access.None.String(), access.Up.String(), access.Own.String()}
	if !slices.Equal(names, []string{"both", "down", "add", "none", "up", "own"}) {
		t.Errorf("directions are called %q", names)
	}
}

func TestDirections(t *testing.T) {
	all := []access.Direction{access.Both, access.Down, access.Add, access.None, access.Up, access.Own}
	for _, d := range all {
		if got, ok := access.ParseDirection(d.String()); !ok || got != d {
			t.Errorf("%s reads back as %s, %t", d, got, ok)
		}
	}
	for _, s := range []string{"", "Both", "upward"} {
		if _, ok := access.ParseDirection(s); ok {
			t.Errorf("%q is a direction", s)
		}
	}
	// from a line's direction to that of the column: both, down, add, none, up, own
	for was, want := range map[access.Direction]string{access.Both: "------", access.Down: "w-w-ww", access.Add: "w---w-", access.None: "www-ww", access.Up: "www--w", access.Own: "www-w-"} {
		got := ""
		for _, now := range all {
			if was.WidensTo(now) {
				got += "w"
			} else {
				got += "-"
			}
		}
		if got != want {
			t.Errorf("from %s: %s, want %s", was, got, want)
		}
	}
}

func TestNarrowed(t *testing.T) {
	all := []access.Direction{access.Both, access.Down, access.Add, access.None, access.Up, access.Own}
	for was, want := range map[access.Direction]string{access.Both: "-n-n--", access.Down: "------", access.Add: "-n-n--", access.None: "------", access.Up: "-n-n--", access.Own: "-n-n--"} {
		got := ""
		for _, now := range all {
			if was.NarrowsTo(now) {
				got += "n"
			} else {
				got += "-"
			}
		}
		if got != want {
			t.Errorf("from %s: %s, want %s", was, got, want)
		}
	}
}

func TestStates(t *testing.T) {
	for s, want := range map[access.State]bool{access.Active: true, access.Suspended: false, access.Removed: false, "": false} {
		if s.Exchanges() != want {
			t.Errorf("with a peer that is %q something is exchanged: %t", s, s.Exchanges())
		}
	}
}
