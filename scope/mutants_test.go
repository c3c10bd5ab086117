package scope_test

import (
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// A mutant is the package with one rule taken out, or with a caller that does not ask it: old, found once in file, becomes new.
type mutant mutation.Scheduled

// mutants says of each rule what becomes of the exchange without it, as far as schedules notice at all.
var mutants = []mutant{
	{"a child is sent only what is in its sight", "sight.go", "s.In() && row.NewerThan", "row.NewerThan", 500, ""},
	{"all that a row refers to must be in sight, not some", "sight.go", "if s == Out || o == Out {", "if s == Out && o == Out {", 500, ""},
	{"a row is in sight since the last of its owners came", "sight.go", "return max(s, o)", "return o", 5000, ""},
	{"what comes into sight is sent, whatever its age", "sight.go", "base = 0\n", "_ = base\n", 500, ""},
	{"it is told as from then", "sight.go", "if s <= Always {", "if true {", 5000, ""},
	{"it counts as seen as from then", "sight.go", "return uint64(s)\n}", "return 0\n}", 2000, ""},
	{"what is out of sight was not seen", "sight.go", "return merge.OutOfSight", "return 0", 2000, ""},

	{"a row whose path is NULL is nobody's", "node.go", "if to == (Row{}) {\n\t\t\treturn Out", "if to == (Row{}) {\n\t\t\tcontinue", 2000, ""},
	{"an exception brings a row into sight", "node.go", "if s := n.Exception(p, row); s.In() {", "if s := n.Exception(p, row); s.In() && false {", 2000, ""},
	{"a tombstone is in sight as its row was", "node.go", "return n.scoped(p, place.Owners)", "return Out", 5000, ""},
	{"public rows are in everybody's sight", "node.go", "s := n.Public(row)\n", "s := Out\n", 2000, ""},
	{"what a scope left out is in sight since it ended", "node.go", "s > Sight(c.Since)) {\n\t\treturn Sight(c.Since)", "s > Sight(c.Since)) {\n\t\treturn Always", 5000, ""},
	{"what the child had before, it has since when it had", "node.go", "if s := n.owned(p, row, maxSteps); s.In() {", "if s := n.owned(p, row, maxSteps); s.In() && !c.All {", 0, "TestEndAndBegin"},
	{"nothing but the person's row is public of a user's", "node.go", "return Sight(n.Entry(p, Owner(row.Key)).Since)", "return max(Sight(n.Entry(p, Owner(row.Key)).Since), n.Public(row))", 2000, ""},
	{"a tombstone keeps the owners that the row had here", "node.go", "place.Alive && len(owners) > 0 {", "false && len(owners) > 0 {", 5000, ""},
	{"those that it has already stay", "node.go", "if len(place.Owners) > 0 {", "if false {", 5000, ""},
	{"those of a row that was never here come with it", "node.go", "return came\n", "return nil\n", 0, "TestBury"},

	{"who enters a child's scope is asked for upwards", "enter.go", "n.Ask(o)\n\t\tat := ", "at := ", 5000, ""},
	{"so is whom a child without a scope asks for", "enter.go", "\t}\n\tn.Ask(o)\n}", "\t}\n}", 5000, ""},
	{"who is in scope for long is answered", "enter.go", "e.Told <= acked {", "false {", 5000, ""},
	{"a leave takes an epoch", "enter.go", "Entry{Gone: n.Epoch()}", "Entry{Gone: 1}", 2000, ""},
	{"a leave ends the exceptions of the patient's rows", "enter.go", "\tn.endExceptions(p, func(owner Owner) bool { return owner == o })\n", "", 5000, ""},
	{"what a child's waiting rows need stays in sight", "enter.go", "n.awaitAll(p)\n\treturn true", "return true", 0, "TestLeaveKeepsWhatWaitingRowsNeed"},
	{"who was brought in otherwise too stays when a rule ends", "enter.go", "case e.Rule && !rule:", "case false:", 0, "TestRuleTakesOutWhomItBrought"},
	{"what a row of nobody's refers to comes with it", "enter.go", "n.show(p, to)", "", 0, "TestRowThatComesToBeNobodys"},
	{"a patient enters a scope, and is no exception", "enter.go", "case n.Place(row).Kind == Own:", "case false:", 2000, ""},
	{"who is public is so from then on", "enter.go", "n.SetPublic(row, Sight(n.Epoch()))", "n.SetPublic(row, Always)", 5000, ""},

	{"a row moves in sight: its new owners enter", "move.go", "\t\t\tn.bring(p, v.row, now, maxSteps)\n", "", 2000, ""},
	{"an exception keeps since when it is in sight", "move.go", "if n.Sight(p, v.row) != had {", "if false {", 5000, ""},
	{"an exception only says what the scope does not", "move.go", "if n.Sight(p, v.row) != had {", "if true {", 10000, ""},
	{"a public row that moves brings nobody", "move.go", "if !n.Public(v.row).In() {", "if true {", 10000, ""},
	{"a row moves into sight: it has an exception", "move.go", "v.place.Alive && n.Sight(p, v.row).In() {", "false {", 5000, ""},
	{"but not a new row", "move.go", "v.place.Alive && n.Sight", "n.Sight", 5000, ""},
	{"a user makes a person public", "move.go", "n.Publish(now.To...)", "", 2000, ""},
	{"moves by an import are followed", "sim_import_test.go", "\tn.Follow(view)\n", "\t_ = view\n", 5000, ""},
	{"moves by the application are followed", "sim_site_test.go", "s.node().Follow(views[k])", "_ = views[k]", 5000, ""},
	{"sight is as it was before the whole seal", "sim_site_test.go", "s.node().Before(was), map", "s.node(), map", 2000, ""},
	{"a tombstone of a seal keeps its owners", "sim_site_test.go", "len(o) > 0 {\n\t\t\t\te.owners = o", "len(o) > 0 {\n\t\t\t\te.owners = nil", 5000, ""},

	{"who sends news of a row has its owners, as it is here", "arrive.go", "\t\tn.bring(p, a.Row, here, maxSteps)\n", "", 5000, ""},
	{"and as it came", "arrive.go", "\t\tn.bring(p, a.Row, a.Place, maxSteps)\n", "", 0, "TestSettledBringsTheOwnersItCameWith"},
	{"what is no news brings nobody", "arrive.go", "if !a.News || !a.Place", "if !a.Place", 5000, ""},
	{"a public row brings nobody", "arrive.go", "if n.Public(a.Row).In() {", "if false {", 5000, ""},
	{"a tombstone that a row fell to comes into sight, and a row of nobody's", "arrive.go", "\tn.show(p, a.Row)\n", "", 2000, ""},
	{"what a row waits for comes into sight", "arrive.go", "\t\tn.show(p, to)\n", "\t\t_ = to\n", 5000, ""},
	{"so does what it needs besides", "arrive.go", "\t\tn.show(p, need)\n", "\t\t_ = need\n", 0, "TestWaitingBringsWhatItNeeds"},
	{"a patient's row that waits brings the patient", "arrive.go", "\t\tn.enter(p, Owner(a.Row.Key), false)\n", "", 0, "TestWaitingBringsWhatItNeeds"},
	{"for a user as public", "arrive.go", "\t\tn.Publish(a.Place.To...)\n", "", 0, "TestWaitingUserMakesPublic"},
	{"a row says that it is public", "arrive.go", "\t\tn.Publish(a.Row)\n", "", 0, "TestRowThatIsSaidToBePublic"},

	{"a record goes only if all owners are in scope", "export.go", "n.scoped(p, r.Owners).In()", "true", 500, ""},
	{"records go to children with a scope", "export.go", "n.scoped(p, r.Owners).In()", "false", 0, "TestSendsRecord"},
	{"one of nobody knows whose goes to the child whose batch it was", "export.go", "len(r.Owners) == 0 && r.Over == p", "false", 0, "TestSendsRecord"},
	{"and to no other", "export.go", "len(r.Owners) == 0 && r.Over == p", "len(r.Owners) == 0", 500, ""},
	{"nor one of another patient's", "export.go", "len(r.Owners) == 0 && r.Over == p", "r.Over == p", 500, ""},
	{"nor one of before the child had a scope", "export.go", " && r.Epoch > c.Since", "", 0, "TestSendsRecord"},
	{"or if the row is public", "export.go", "n.Public(r.Row).In() || ", "", 0, "TestSendsRecord"},
	{"an incoming value that lost is theirs whose it was there", "export.go", "return came\n", "return here\n", 0, "TestRecordOwners"},
	{"a local value that lost is theirs whose it was here", "export.go", "return here\n", "return came\n", 0, "TestRecordOwners"},
	{"a child is told who entered", "export.go", "e.In() && e.Told > base", "false", 500, ""},
	{"a child is told who left", "export.go", "return e.Gone > base", "return false", 2000, ""},
	{"a child is told what was refused", "export.go", "return e.Denied > base", "return false", 0, "TestDeny"},
	{"a child is told that its scope begins or ends", "export.go", "return c.Since > base", "return false", 0, "TestEndAndBegin"},

	{"a request stands until it is answered, not until a row comes", "want.go", "return n.Held(o) != 0 || n.Whole() && n.OwnerIsHere(o)", "return n.OwnerIsHere(o)", 500, ""},
	{"who has everything is answered by the row", "want.go", " || n.Whole() && n.OwnerIsHere(o)", "", 5000, ""},
	{"a refusal ends a request", "want.go", "range s.Denied {\n\t\tn.SetWant(o, false)", "range s.Denied {\n\t\t_ = o", 0, "TestHear"},
	{"who got a scope holds whom it is told of alone", "want.go", "if lost { // a scope", "if false { // a scope", 0, "TestHearOfAScopeThatBegins"},
	{"who got a scope asks for whom its children have", "want.go", "if lost {\n\t\tn.askForChildren()", "if false {\n\t\tn.askForChildren()", 0, "TestHearOfAScopeThatBegins"},
	{"after its parent's restore a child asks again", "want.go", "n.SetHeld(o, 0)\n\t\t\tn.SetWant(o, true)", "_ = o", 5000, ""},
	{"what was asked before the patient left is void", "want.go", "void := max(e.Gone, e.Denied)", "void := e.Denied", 0, "TestRequestFromBefore"},
	{"so is what was asked before it was refused", "want.go", "void := max(e.Gone, e.Denied)", "void := e.Gone", 0, "TestRequestFromBefore"},
	{"so is what was asked before the scope began", "want.go", "void = max(void, c.Since)", "_ = c", 0, "TestRequestFromBefore"},
	{"a request waits for a person where that is asked", "want.go", "c.Approve && ", "false && ", 0, "TestApprove"},

	{"whom an identifier means is asked for as by the key", "seek.go", "\t\tkept = n.Request(p, owners, acked, ack, valid)\n", "\t\tn.enter(p, o, false)\n", 0, "TestIdentifyFromBefore"},
	{"an identifier of several patients means nobody", "seek.go", "len(i.Owners) == 1:", "len(i.Owners) > 0:", 0, "TestIdentify"},
	{"what has no key is not answered by another", "seek.go", "case i.Keyless:\n", "case false:\n", 0, "TestIdentify"},
	{"a node asks its own parent for whom it does not know", "seek.go", "answer == Nobody && n.HasParent()", "false", 0, "TestIdentifyThroughTheMiddle"},
	{"and answers with what it is answered", "seek.go", "case had.Answer != Passed:", "case true:", 500, ""},
	{"a request stands until it is answered by other than that it went on", "seek.go", "return a > Passed }", "return a > Open }", 500, ""},
	{"whom the parent found is asked for until it says that this node has the patient", "seek.go", "\t\t\tn.Ask(r.Owner)\n", "", 0, "TestIdentifyApproves"},
	{"an answer is told until it is heard", "seek.go", "return r.At > base }", "return false }", 500, ""},
	{"what brings nobody counts, once", "seek.go", "r.Answer == NotAsked && len(brought) == 0", "len(brought) > 0", 0, "TestIdentify"},
	{"what was heard is not kept", "seek.go", "r.Answer.Ends() && !r.Told(acked)", "r.Answer.Ends() && false", 0, "TestIdentifyFromBefore"},
	{"a child is told that a person is to answer", "seek.go", "\t\t\ta = Waits\n", "", 0, "TestIdentifyApproves"},
	{"so where it asks by the key", "want.go", "\t\t\t\tn.waits(p, o, &room)\n", "\t\t\t\t_ = room\n", 0, "TestIdentifyApproves"},
	{"a header asks for no more identifiers than it may", "seek.go", "identifiers[:min(len(identifiers), MaxSeeks)]", "identifiers", 0, "TestSeeksAreBounded"},
	{"no more answers are kept for a child than may be", "seek.go", "r.Answer == NotAsked && room <= 0:", "false:", 0, "TestSeeksAreBounded"},

	{"who stays when a scope begins has been seen since before", "set.go", "e.Since = max(c.Since, uint64(Always))", "e.Since = at", 0, "TestScopeThatBeginsOrEndsAsksUpwards"},
	{"a scope that begins ends exceptions", "set.go", "n.endExceptions(p, func(o Owner) bool { return !stays[o] })", "", 0, "TestBeginEndsExceptions"},
	{"who stays is asked for upwards", "set.go", "Told: at})\n\t\tn.Ask(o)", "Told: at})", 0, "TestScopeThatBeginsOrEndsAsksUpwards"},
	{"what waits keeps what it needs when a scope begins", "set.go", "\tn.awaitAll(p)\n", "", 0, "TestBeginKeepsWhatWaitingRowsNeed"},
	{"a scope that ends answers what a person had not", "set.go", "\t\t\te.Asked = false\n\t\t\tn.SetEntry(p, o, e)\n\t\t\tn.Ask(o)\n", "", 0, "TestScopeThatBeginsOrEndsAsksUpwards"},
	{"a node with children purges nobody", "purge.go", " && !children && ", " && ", 5000, ""},
	{"who was deleted is not purged", "purge.go", "!n.Place(row).Alive || ", "", 0, "TestPurge"},
	{"nor is purged what the parent did not have when the patient left", "purge.go", " && !pending\n", "\n", 5000, ""},
	{"a row that leaves its owner calls off the purge", "move.go", "\tn.callOff(v, now)\n", "", 0, "TestPurgeIsCalledOff"},
	{"a row that dies does not", "purge.go", "if !now.Alive {\n\t\treturn", "if false {\n\t\treturn", 0, "TestPurgeIsCalledOff"},
	{"a row that comes back as another's does", "purge.go", "had = v.place.Owners", "had = nil", 0, "TestPurgeIsCalledOff"},
	{"the child is told", "purge.go", "e.Purge, e.Gone = false, n.Epoch()", "e.Purge = false", 0, "TestPurgeIsCalledOff"},
	{"and hears it", "want.go", "if u := n.Purging(o); !u.Done {", "if false && n.Purging(o).Done {", 0, "TestHear"},
	{"what is deleted stays known to be", "want.go", "if u := n.Purging(o); !u.Done {", "if u := n.Purging(o); !u.Done || true {", 0, "TestHear"},
	{"nothing is purged by an acknowledgement of before a restore", "want.go", "\t\tack = 0\n", "", 0, "TestHear"},
	{"tombstones outlive a purge", "purge.go", "return place.Alive && slices", "return slices", 0, "TestPurge"},
	{"who entered again is not purged", "want.go", "n.SetPurging(o, Purge{})\n\t}\n\tif lost", "}\n\tif lost", 0, "TestHear"},
	{"a public row is not purged", "purge.go", " && !n.Public(row).In()", "", 0, "TestPurge"},
	{"what came from a child counts as made here once it is purged there", "sim_scopes_test.go", "e.Row = e.Reclaim(p, 0, s.Epoch())", "", 10000, ""},
	{"after its parent's restore a child says what it has purged", "want.go", "lacks = lacks || u.Done", "_ = u", 0, "TestPurge"},
	{"a request that a person is to answer is counted", "want.go", "n.waits(p, o, &room)\n\t\t\t\tkept = append(kept, o)", "n.waits(p, o, &room)", 0, "TestRequestsAreCounted"},
	{"so is one that brings somebody in", "want.go", "if !c.All && !e.In() || ", "if ", 0, "TestRequestsAreCounted"},
	{"so is one that goes on upwards", "want.go", "|| c.All && n.HasParent() &&", "|| false && n.HasParent() &&", 0, "TestRequestsAreCounted"},
	{"none counts twice", "want.go", "c.All && n.HasParent() && !n.Want(o) && !n.answered(o) {", "c.All && n.HasParent() {", 0, "TestRequestsAreCounted"},
	{"a header asks for no more than it may", "want.go", "wants[:min(len(wants), MaxWants)]", "wants", 0, "TestRequestIsBounded"},
	{"who is asked for is not purged", "purge.go", " && !n.Want(o)", "", 0, "TestPurge"},
	{"a rule that was asked of some takes out none of the others", "rule.go", "range asked {", "range n.Entries(p) {", 0, "TestRuleOfSome"},
	{"a rule that takes out most of those whom it brought waits for a person", "rule.go", "len(c.Leave) > fewLeave && 2*len(c.Leave) > brought", "false", 0, "TestRuleOfSome"},
	{"a rule takes out only whom it brought", "rule.go", "e.In() && e.Rule && !stays[o]", "e.In() && !stays[o]", 0, "TestRuleTakesOutWhomItBrought"},
	{"a rule changes nothing for a child without a scope", "rule.go", "if n.Child(p).All {\n\t\treturn c", "if false {\n\t\treturn c", 0, "TestRuleTakesOutWhomItBrought"},
}

// TestMutants proves that the simulation asks for the rules: with one taken out, some schedule fails, or where that is too rare,
// a test of that rule.
//
//	OMSYNC_MUTANTS=all go test -v -timeout 2h -run TestMutants ./scope    counts how many of 20,000 schedules do
func TestMutants(t *testing.T) {
	var all []mutation.Scheduled
	for _, m := range mutants {
		all = append(all, mutation.Scheduled(m))
	}
	mutation.CheckScheduled(t, all, "OMSYNC_FIRST=")
}
