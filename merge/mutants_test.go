package merge_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/mutation"
)

// A mutant is the package with one rule taken out: old, found once in file, becomes new.
type mutant struct {
	rule      string
	file      string
	old, new  string
	schedules int    // enough of them to notice
	test      string // where schedules notice too rarely: the test that does
}

// mutants says of each rule what becomes of the exchange without it, as far as schedules notice at all.
var mutants = []mutant{
	{"an edit is above what it replaces", "stamper.go", "Group{both, m.version(at, g.Time)}", "Group{both, m.version(at, 0)}", 5000, ""},
	{"a deletion is above all of its row", "stamper.go", "Dead: m.version(at, prev.highest().Time)", "Dead: m.version(at, 0)", 20000, ""},
	{"an insert is above the deletion before it", "stamper.go", "v := m.version(at, prev.highest().Time)", "v := m.version(at, 0)", 20000, ""},
	{"what comes back over a deletion is stamped above it", "settle.go", "v = im.above(deletion, &in)", "v = im.received(g.Sent)", 0, "TestSettleDeletions"},
	{"what outlives a deletion is stamped above it", "settle.go", "return im.stamper().above(in.Dead.Stamp)", "return v", 5000, ""},
	{"what outlives a deletion goes to its author too", "settle.go", "return im.stamper().above(in.Dead.Stamp)", "v = im.stamper().above(in.Dead.Stamp); v.From = im.Peer; return v", 5000, ""},
	{"a deletion of what others need is refused", "settle.go", "if stays || im", "if im", 5000, ""},
	{"a deletion of what was never here is kept", "settle.go", "in an older file.\n\t\treturn Outcome{Row: Row{Known: true, Dead: im.received(in.Dead)}, Changed: true}", "in an older file.\n\t\treturn Outcome{Row: local}", 20000, ""},
	{"of two deletions the later stays", "settle.go", "if !local.Dead.Before(in.Dead.Stamp) {", "if true {", 20000, ""},
	{"a first load carries deletions", "row.go", "return r.Dead.newerThan(base, p)", "return base > 0 && r.Dead.newerThan(base, p)", 5000, ""},
	{"what came from a peer is no news when it goes back", "row.go", "if v.From == p {\n\t\treturn Sent{v.Stamp, 0}", "if v.From == p {\n\t\treturn Sent{v.Stamp, v.Epoch}", 0, "TestOutgoingAndNewerThan"},
	{"the losing value is reported", "columns.go", "if conflict {", "if false {", 500, ""},
	{"a row that a deletion takes is reported", "settle.go", "if unseen.Meets(g.WithExistence()) {", "if false {", 5000, ""},
	{"a row that a deletion took here is reported", "settle.go", "if news.Meets(g.WithExistence()) {", "if false {", 5000, ""},
	{"a deletion that loses here is reported", "settle.go", "if !im.seenBySender(local.Dead, in.ack(Bit(Existence)), in.Since, local.Dead.Stamp) {", "if false {", 20000, ""},
	{"a deletion that loses to what is here is reported", "settle.go", "if im.isNews(in.Dead.Epoch) {", "if false {", 20000, ""},
	{"a winner by policy is stamped above (incoming)", "columns.go", "out = im.above(local.Stamp, s.in)", "out = im.received(in)", 5000, ""},
	{"a winner by policy is stamped above (local)", "columns.go", "out = im.stamper().above(in.Stamp)", "out = local", 5000, ""},
	{"nothing here is seen by who does not know of a restore", "settle.go", "if !im.Valid || im.lost {", "if im.lost {", 20000, ""},
	{"a child does not insist against what comes back to it", "settle.go", "!resent && im.FromParent && im.insists", "!resent && im.insists", 0, "TestRoutes"},
	{"what never goes up goes by the parent", "columns.go", "s.policy, s.ack = im.senders(), 0", "", 0, "TestSettleNeverSent"},
	{"what never goes down goes by the child", "columns.go", "return Child\n}\n\n// greater", "return Parent\n}\n\n// greater", 0, "TestSettleNeverSentToAChild"},
	{"what returns is above its deletion", "refuse.go", "Insert(dead, columns, at)", "Insert(Row{}, columns, at)", 0, "TestReturn"},
	{"a deletion that loses to a row that returns is reported", "refuse.go", "Conflicts: []Conflict{{Mask: Bit(Existence), Deletion: true, Loser: dead.Dead.Stamp, Winner: row.highest()}}", "Conflicts: nil", 0, "TestReturn"},
	{"the parent's own row goes with its deletion", "settle.go", "(!in.NeverSent.Has(Existence) || g.Has(Existence))", "true", 0, "TestSettleNeverSent"},
	{"an edit that never went up is lost with its row", "settle.go", "unseen = unseen.Or(g.And(in.NeverSent))", "", 0, "TestSettleNeverSent"},

	{"the acknowledgement of what is not applied is read", "receive.go", "if d.Valid {", "if d.Valid && l.verdict(&h) == Apply {", 500, ""},
	{"a header goes out when only the acknowledgement is new", "link.go", "return l.HeaderDue || header != l.LastHeader ||", "return header.At < 0 ||", 500, ""},
	{"a sender that does not know what is applied is told", "receive.go", "if h.Base.Epoch < l.Applied.Epoch {", "if false {", 0, "TestHeaderIsDue"},
	{"a base never acknowledged means a restore", "receive.go", "!h.Ahead && !d.NewHistory {", "false {", 20000, ""},
	{"an unknown token acknowledged means a restore", "receive.go", "(current || !known) {", "false {", 5000, ""},
	{"a position of a load that is not known means a restore", "receive.go", "own.has(h.Ack) && own.has(h.LoadUpto)", "own.has(h.Ack)", 0, "TestUnknownLoadMeansRestore"},
	{"a chain without the applied position is not applied", "receive.go", "case !h.vouchesFor(l.Applied):", "case false:", 20000, ""},
	{"what a restored peer sent is made here", "row.go", "return v.From == p && v.Epoch > after }", "return false }", 5000, ""},
	{"a restored peer's acknowledgement falls", "receive.go", "l.Applied = common.Position\n\tl.Acked", "l.Applied = common.Position\n\t_", 5000, ""},
	{"what is applied from a restored peer falls", "receive.go", "l.Applied = common.Position\n", "\n", 5000, ""},
	{"between the parts of a load no place is common", "receive.go", "if l.Receiving.ID != 0 {\n\t\tl.forgetImports(l.Receiving.Start)\n\t}", "", 0, "TestNoPlaceIsSharedBetweenParts"},
	{"files from before a restore are refused", "receive.go", "late := l.Retired[h.History] || ", "late := ", 0, "TestIWasRestored"},
	{"a peer that was added again starts anew", "receive.go", "case h.Link > l.PeerNumber && l.PeerNumber != 0:", "case false:", 0, "TestPeerAddedAgain"},
	{"what came from it before counts as made here", "receive.go", "d.Rejoin, d.Reset = &AppliedBatch{}, true", "d.Reset = true", 0, "TestPeerAddedAgain"},
	{"files from before a peer was added again are refused", "receive.go", " || h.History == l.History && h.Link < l.PeerNumber\n", "\n", 0, "TestPeerAddedAgain"},
	{"an acknowledgement on a link given up does not count", "receive.go", "d.Valid = has && known && mine", "d.Valid = has && known", 0, "TestPeerAddedAgain"},

	{"parts are applied in order", "receive.go", "h.Load == l.Receiving.ID && h.Part == l.Receiving.Part+1:", "true:", 5000, ""},
	{"only the last part is acknowledged", "receive.go", "func RecordImport(l *Link, h Header, epoch uint64, wrote bool) {\n\tif h.Load != 0 && !h.Last {", "func RecordImport(l *Link, h Header, epoch uint64, wrote bool) {\n\tif false {", 5000, ""},
	{"a load that is missing has its time", "link.go", "return now-s.At >= againAfter(s.Again)", "return true", 0, "TestMissingLoadGoesAgainInItsTime"},
	{"what is known to be missing is not answered", "receive.go", "if h.Ack == l.Acked && l.Sending.Missing {", "if false {", 0, "TestMissingLoadGoesAgainInItsTime"},
	{"a load that never came is made anew", "receive.go", "if d.Valid && l.loadIsLost(&h) {", "if false {", 0, "TestLostLoad"},
	{"a load under way is not made anew", "receive.go", "h.LoadHave != 0 && h.LoadHave == s.ID", "false", 0, "TestLoadUnderWayIsNotLost"},
	{"a large load has a day", "receive.go", "case s.Bytes == 0 || s.Bytes > smallLoad || s.Again > 1:", "case s.Again > 1:", 0, "TestLostLoad"},
	{"what seemed lost twice has a day", "receive.go", "s.Bytes > smallLoad || s.Again > 1:", "s.Bytes > smallLoad:", 0, "TestLostLoad"},
	{"it is counted how often a load was made", "link.go", "next.Again++", "", 0, "TestLostLoad"},
	{"a load that is missing is made anew", "receive.go", "l.Sending.Missing = true\n\t\t} else", "} else", 5000, ""},
	{"a peer behind its word gets what shows it", "receive.go", "if h.Ack == l.Acked {", "if true {", 0, "TestPeerBehindItsWord"},
	{"who lacks a batch is told from where it is", "receive.go", "case slices.Contains(l.ExportEnds, h.Missing):\n\t\tl.Behind, l.HeaderDue", "case slices.Contains(l.ExportEnds, h.Missing):\n\t\t_, l.HeaderDue", 0, "TestGapAndBehind"},
	{"parts of an abandoned load count as made here", "receive.go", "return h.Load != 0 || h.Upto.Epoch >= l.Receiving.Upto.Epoch", "return false", 0, "TestAbandonedLoad"},
	{"a later load does not make a place between its parts common", "receive.go", "l.forgetImports(l.Receiving.Start)\n\t\tl.Receiving = Receiving{}\n\tdefault", "l.Receiving = Receiving{}\n\tdefault", 0, "TestNoPlaceIsSharedBetweenPartsLater"},
	{"a purge is refused whole", "refuse.go", "stay(k)\n", "_ = k\n", 0, "TestRefuseDeletions"},
	{"rows from before go by the parent", "columns.go", "policy = Parent\n\t}", "policy = Newest\n\t}", 0, "TestSettleCases"},
	{"a first meeting goes by newest", "columns.go", "im.FirstMeeting || ", "", 0, "TestSettleCases"},
	{"what is sent again there goes by newest", "settle.go", "return im.PeerResent != nil && im.PeerResent(epoch)", "return false", 0, "TestSettleCases"},
	{"what is sent again here goes by newest", "columns.go", "im.OwnResent != nil && im.OwnResent(local.Epoch)", "false", 0, "TestSettleCases"},
	{"a tie goes by the value", "columns.go", "greater := greaterColumns(differ, c.Greater)", "greater := Mask{}", 0, "TestSettleCases"},
	{"a column without a version is born above its row", "stamper.go", "m.version(at, born)", "m.version(at, born-born)", 0, "TestStamperIsAbove"},
	{"a file that is refused can prove a restore", "receive.go", "(!has || !known || h.PeerLink > l.Number) && (", "!late && (!has || !known || h.PeerLink > l.Number) && (", 0, "TestRefusedFileProvesRestore"},

	{"a stamp beyond the horizon is not taken", "horizon.go", "return s.Time <= im.Horizon ||", "return true ||", 0, "TestBrokenSiteHarmsItselfAlone"},
	{"a parent's stamp at the end is not taken", "horizon.go", "return ceiling\n\t}\n\tnow", "return maxTime\n\t}\n\tnow", 0, "TestHorizon"},
	{"a parent's stamps are not held to the clock", "horizon.go", "if fromParent {", "if false {", 20000, ""},
	{"a clock with an empty battery refuses nothing", "horizon.go", "now = max(now, noEarlier)", "", 20000, ""},
	{"what was made on a late stamp is taken", "horizon.go", " || s.Time-leeway <= known.highest().Time", "", 20000, ""},
	{"but not what is far above it", "horizon.go", "s.Time-leeway <= known.highest().Time", "known.highest().Time > im.Horizon", 0, "TestTakes"},
	{"no clock stamps above what is taken", "stamper.go", "max(min(at, ceiling), above+1)", "max(at, above+1)", 0, "TestThereIsRoomAbove"},
	{"a stamp beyond the limit is mended", "mend.go", "if old.Time > limit {", "if false {", 0, "TestMendedNetworkHeals"},
	{"what is not beyond stays as it is", "mend.go", "if old.Time > limit {", "if true {", 0, "TestMend"},
	{"a deletion beyond the limit is mended", "mend.go", "prev.Dead.Time <= limit", "true", 0, "TestMendedNetworkHeals"},
	{"what is mended is above what stays of its row", "mend.go", "m.version(now+1, stays)", "m.version(now+1, 0)", 0, "TestMend"},
	{"a row is mended later than a deletion", "mend.go", "m.version(now+1, stays)", "m.version(now, stays)", 0, "TestMend"},
	{"a clock with an empty battery mends nothing", "mend.go", "now >= noEarlier && ", "", 0, "TestClockIsSane"},
	{"nor does one that is beyond all", "mend.go", " && now <= ceiling", "", 0, "TestClockIsSane"},
	{"a row acknowledges no more than its header", "settle.go", "return min(ack, im.MaxAck)", "return ack", 0, "TestRowAckIsTheHeaders"},
	{"a row may acknowledge what a load reaches", "receive.go", "MaxAck: max(h.Ack.Epoch, h.LoadUpto.Epoch)", "MaxAck: h.Ack.Epoch", 0, "TestRowAckIsTheHeaders"},
	{"what was told before stays no news while it waits", "wait.go", "if !im.isNews(epoch) {", "if false {", 0, "TestWaitingKeepsWhatWasNews"},
	{"what was news stays news in the sender's next version", "wait.go", "if g.Epoch == 0 && ", "if false && ", 0, "TestWaitingAfterAnother"},
	{"the next version has seen no more than the one that waits", "wait.go", "min(w.Ack, earlier.Ack)", "w.Ack", 0, "TestWaitingAfterAnother"},
	{"the next version knows no more of a restore", "wait.go", "w.Blind || earlier.Blind", "w.Blind", 0, "TestWaitingAfterAnother"},
	{"what comes again as it was stays dropped", "wait.go", "return im.isNews(in.Dead.Epoch)", "return true", 0, "TestNews"},
	{"a row that comes again as it was stays dropped", "wait.go", "return slices.ContainsFunc(in.Groups", "return true || slices.ContainsFunc(in.Groups", 0, "TestNews"},
	{"a row says that a version of it waits", "wait.go", "return first - 1", "return math.MaxUint64", 20000, ""},
	{"what the sender took while its row waited it has seen", "wait.go", "out.waited, out.waitedSince = true, w.Acked", "", 0, "TestWaitingWhileTheSenderGoesOn"},
	{"nobody has seen what was not in sight yet", "settle.go", "told := max(v.Epoch, since)", "told := v.Epoch", 0, "TestSeenSinceItIsInSight"},
	{"a deletion was not seen either", "settle.go", "in.ack(Bit(Existence)), in.Since, ", "in.ack(Bit(Existence)), 0, ", 0, "TestSeenSinceItIsInSight"},
	{"nor what a deletion takes", "settle.go", "!im.seenBySender(g.Version, in.Ack, in.Since, ", "!im.seenBySender(g.Version, in.Ack, 0, ", 0, "TestSeenSinceItIsInSight"},
	{"nor a column", "columns.go", "|| s.missed, s.in.Since\n", "|| s.missed, uint64(0)\n", 0, "TestSeenSinceItIsInSight"},
	{"but only what is later", "settle.go", "im.waited && in.Before(v.Stamp)", "im.waited", 0, "TestWaitingWhileTheSenderGoesOn"},
	{"and came after the row", "settle.go", "told > im.waitedSince && ", "", 0, "TestWaitingWhileTheSenderGoesOn"},
	{"what waits and is lost counts as made here", "wait.go", "out.lost, out.Peer = true, 0", "out.lost = true", 0, "TestWaitingThatIsLost"},
	{"what waits and is lost was seen by nobody", "settle.go", "!im.Valid || im.lost", "!im.Valid", 0, "TestWaitingThatIsLost"},
	{"what came blind is settled blind", "wait.go", "out.Applied, out.Valid, out.FirstMeeting = 0, !w.Blind, w.Newest", "out.Applied, out.Valid, out.FirstMeeting = 0, true, w.Newest", 0, "TestWaitingIsSettledAsItCame"},
	{"what came at a first meeting is settled so", "wait.go", "!w.Blind, w.Newest", "!w.Blind, false", 0, "TestWaitingIsSettledAsItCame"},
	{"what was sent again is settled so", "wait.go", "return slices.Contains(w.Resent, epoch)", "return false", 0, "TestWaitingIsSettledAsItCame"},
	{"a table that was altered is the same", "replaced.go", "(s.Bare || s.Retriggered)", "true", 0, "TestReplaced"},
	{"a table whose triggers were dropped is the same", "replaced.go", "return s.Remade && ", "return ", 0, "TestReplaced"},
	{"a dump brings triggers too", "replaced.go", "(s.Bare || s.Retriggered)", "s.Bare", 0, "TestReplaced"},
	{"a database that was put back whole fits its versions", "replaced.go", " && !s.JournalToo", "", 0, "TestReplaced"},
	{"a copy holds what the table held", "replaced.go", " && !s.Copied", "", 0, "TestReplaced"},
	{"rows of a table that was replaced count as found", "replaced.go", "return m.Found(columns)", "return m.Touch(prev)", 0, "TestLostTable"},
	{"what is gone with a table was not deleted", "replaced.go", "\treturn Row{}\n", "\treturn m.Delete(prev, 0)\n", 0, "TestLostTable"},
	{"deletions outlive a table", "replaced.go", "prev.Known && !prev.Alive", "false", 0, "TestFoundAgain"},
	{"who lacks a column has seen nothing of it", "lacks.go", "\t\treturn l.Now.Or(l.Gained)\n\t}\n\treturn l.Now\n", "\t\treturn l.Gained\n\t}\n\treturn Mask{}\n", 0, "TestColumnThatASiteLacks"},
	{"who gained a column has seen nothing of it before it was sent", "lacks.go", "return l.Now.Or(l.Gained)", "return l.Now", 0, "TestColumnThatASiteLacks"},
	{"a deletion by who lacks a column is reported", "settle.go", "unseen = unseen.Or(g.And(in.Unseen))", "", 0, "TestColumnThatASiteLacks"},
	{"so is an edit by who gained it", "columns.go", "if s.unseen {", "if false {", 0, "TestColumnThatASiteLacks"},
	{"who has a column knows what it sent of it", "settle.go", "return told <= ack || v.From == im.Peer || waited", "return told <= ack || v.From == im.Peer && since != OutOfSight || waited", 0, "TestSettleLackedColumns"},
	{"any version of a column that is new here is news", "columns.go", "im.isNews(in.Epoch) || s.missed", "im.isNews(in.Epoch)", 0, "TestColumnThatASiteLacks"},
	{"but goes by the later stamp", "columns.go", "s.missed || im.resent(in.Epoch)", "im.resent(in.Epoch)", 0, "TestSettleLackedColumns"},
	{"until the sender has heard of it", "lacks.go", "if ack < l.Asked {", "if true {", 0, "TestLacks"},
	{"a row that waits tells what its sender lacked when it came first", "wait.go", "w.Unseen.Or(earlier.Unseen)", "w.Unseen", 0, "TestWaitingAfterAnother"},
	{"a row comes back from a deletion with all its columns", "settle.go", "!lacks.IsEmpty() {", "false {", 0, "TestColumnThatASiteLacks"},
	{"a file that is on its way for long is of no clock ahead", "skew.go", "case least > skewSlack:", "case false:", 0, "TestSkew"},
	{"a clock is behind what its header acknowledges", "skew.go", "case known && most < -skewSlack:", "case false:", 0, "TestSkew"},
	{"a clock here that was set back proves nothing", "skew.go", "acked > 0 && acked <= now", "acked > 0", 0, "TestSkew"},
	{"a skew that a header contradicts is over", "skew.go", "(!known || most >= s.By)", "true", 0, "TestSkew"},
	{"a skew lasts since it was first seen", "skew.go", "if s.By == 0 || (s.By > 0) != (by > 0) {", "if true {", 0, "TestSkew"},
	{"of two decisions about a conflict the later stays", "resolution.go", "return r.Stamp.Before(o.Stamp)", "return true", 0, "TestResolutions"},
	{"of two with one stamp the same stays everywhere", "resolution.go", "return r.How < o.How", "return true", 0, "TestResolutions"},
	{"who decides is above what was decided", "resolution.go", "now = max(now, r.Time+1)", "", 0, "TestResolutions"},
	{"a decision that no clock could make is not taken", "resolution.go", "in.Time <= im.Horizon && ", "", 0, "TestResolutionsThatAreNotTaken"},
	{"what is no decision is not taken", "resolution.go", "in.How.Valid() && ", "", 0, "TestResolutionsThatAreNotTaken"},
	{"a row vouches only for the load that brought it", "receive.go", "next.First = epoch\n", "\n", 0, "TestParts"},

	{"two rows here of one natural key are nobody's counterpart", "alias.go", "x.Here == 1 && ", "x.Here > 0 && ", 0, "TestRecognises"},
	{"nor two there", "alias.go", "x.Here == 1 && x.There == 1 && ", "x.Here == 1 && ", 0, "TestRecognises"},
	{"an alias, a row and a deletion win over natural keys", "alias.go", "x.There == 1 && !x.KeyKnown && ", "x.There == 1 && ", 0, "TestRecognises"},
	{"what a person keeps apart stays apart", "alias.go", "!x.Apart && ", "", 0, "TestRecognises"},
	{"a row has one alias a peer", "alias.go", "!x.Paired && ", "", 20000, "TestApart"},
	{"what came back may be known elsewhere", "alias.go", "!x.Returned && !x.Apart", "!x.Apart", 20000, "TestApart"},
	{"nor does a person's word make one of it", "alias.go", "return !x.Returned && im.Unsent", "return im.Unsent", 0, "TestMayPair"},
	{"nobody can say what the peer's key is known to be", "alias.go", "if x.KeyKnown || x.Paired {", "if x.Paired {", 0, "TestMayPair"},
	{"nor make a row two of the peer's", "alias.go", "if x.KeyKnown || x.Paired {", "if x.KeyKnown {", 0, "TestMayPair"},
	{"what came from a new peer is its own", "alias.go", "x.Local.Alive && existence(x.Local).From != im.Peer", "x.Local.Alive", 0, "TestMayPair"},
	{"what never goes there and is absent there is not known there", "alias.go", "(absent || im.Met", "(im.Met", 0, "TestMayPair"},
	{"a row that the sender has another key for is not the one of its key", "alias.go", "case k.OwnPaired:", "case false:", 8000, "TestMoved"},
	{"a row's own key is not carried", "alias.go", "!k.Others || k.Own", "!k.Others", 0, "TestNames"},
	{"one row is not two of the sender's", "alias.go", "k.OthersPaired || !k.Carries", "!k.Carries", 0, "TestNames"},
	{"what was in a file may be known there", "alias.go", "g.Epoch > im.Sent || ", "true || ", 20000, "TestApart"},
	{"what was there before they met may be there too", "alias.go", " && g.Epoch > im.Met", "", 0, "TestRecognises"},
	{"what came from the sender is known there", "alias.go", "g.From != im.Peer && ", "", 20000, "TestApart"},
	{"what is only sent again may be known there", "alias.go", "(im.OwnResent == nil || !im.OwnResent(g.Epoch))", "true", 0, "TestRecognises"},
	{"what a peer may have lost may be known there", "alias.go", "(im.Reclaimed == nil || !im.Reclaimed(g.Epoch))", "true", 20000, "TestApart"},
	{"a key is not carried to who may have the row", "alias.go", "return im.Valid && im.Sent == 0", "return im.Valid", 0, "TestRecognises"},
	{"a file that is under way may have arrived", "alias.go", "upto = max(upto, e.Epoch)", "_ = e", 0, "TestWhatWasSentIsNotUnsent"},
	{"so may a part of a load", "alias.go", "max(l.Acked.Epoch, l.Sending.Upto.Epoch)", "l.Acked.Epoch", 0, "TestWhatWasSentIsNotUnsent"},
	{"after a restore here anything may have been in a file", "receive.go", "sent = math.MaxUint64", "sent = min(sent, math.MaxUint64)", 0, "TestWhatWasSentIsNotUnsent"},
	{"who does not know of a restore here names nothing", "alias.go", "!r.Alive || !im.Valid", "!r.Alive", 0, "TestRecognises"},
	{"a child listens before it speaks", "alias.go", "return l.Applied.Epoch == 0 && l.sent() == 0", "return false", 20000, "TestApart"},
	{"who has spoken goes on", "alias.go", " && l.sent() == 0 }", " }", 0, "TestWhatWasSentIsNotUnsent"},
	{"a column that the parent decides goes by the parent", "columns.go", "m.And(policies.Parent), local", "Mask{}, local", 0, "TestPoliciesOfColumns"},
	{"the other columns do not", "columns.go", "m.Without(policies.Parent).Without(policies.Child), local", "m, local", 0, "TestPoliciesOfColumns"},
	{"a column that the child decides goes by the child", "columns.go", "s.policy = Child", "s.policy = Parent", 0, "TestPoliciesOfColumns"},
	{"a policy of the parent's comes before a child's own", "settle.go", "p.Parent.Without(has).Or(above.Parent)", "p.Parent.Or(above.Parent)", 0, "TestPoliciesUnder"},
	{"a child's own holds where the parent has none", "settle.go", "p.Child.Without(has).Or(above.Child)", "above.Child", 0, "TestPoliciesUnder"},
	{"a parent insists on what is its own", "columns.go", "!equal && im.insists(s.in, local)", "false", 5000, "TestAddTable"},
	{"but not by what only sends again", "columns.go", "if news && !resent && !equal", "if news && !equal", 0, "TestParentInsists"},
	{"nor by what is no news", "columns.go", "if news && !resent && !equal", "if !resent && !equal", 0, "TestParentInsists"},
	{"what a parent insisted on is not sent back to it", "settle.go", "\t\tv.From = im.Peer\n", "", 0, "TestParentInsists"},
	{"a parent insists over a deletion", "settle.go", " || !news.IsEmpty() && !resent && im.FromParent && im.insists(&in, local.Dead)", "", 5000, "TestAddTable"},
	{"a parent insists on a deletion", "settle.go", "local.WasAddedBy(im.Peer) && im.insists(&in, v)", "false && v == v", 0, "TestParentInsistsOnWhatIsAndIsNot"},
	{"of what a parent insisted on the newest stays", "settle.go", "(im.Further == 0 || local.Epoch < im.Further)", "true", 0, "TestParentInsists"},
	{"what a parent insists on again is newer", "columns.go", "out.Epoch = im.Epoch // it", "// it", 0, "TestParentInsists"},
	{"a parent says whose a row is", "settle.go", "case in.Whose == Theirs:", "case false:", 0, "TestWhoseIsSaid"},
	{"a row that a parent has from here is made here", "settle.go", "case in.Whose == Ours &&", "case false &&", 0, "TestWhoseIsSaid"},
	{"who added a row stays", "settle.go", "case known:\n\t\treturn added.addedBy()", "case false:", 5000, "TestAddTable"},
	{"who added a row stays, whoever stamps it", "row.go", "v = v.by(g.addedBy())", "", 0, "TestWhoAdded"},
	{"also if the peer that it came from is restored", "row.go", "v.Added = Adder{true, v.addedBy()}", "", 5000, "TestAddTable"},
	{"a lost row that waited was added by its sender", "settle.go", "case im.lost:", "case false:", 0, "TestWaitingThatIsLost"},
	{"a row says of whom it is to whom it goes", "row.go", "if v.addedBy() == p {", "if v.From == p {", 5000, "TestAddTable"},
	{"what was refused is answered as news", "row.go", "v.Epoch = max(v.Epoch, epoch)\n\t\tif v.From == p {", "if v.From == p {", 5000, "TestAddTable"},
	{"with what had come from there", "row.go", "v.Epoch = max(v.Epoch, epoch)\n\t\tif v.From == p {", "v.Epoch = max(v.Epoch, epoch)\n\t\tif false {", 5000, "TestAddTable"},
}

// TestMutants proves that the simulation asks for the rules: with one taken out, some schedule fails, or where that is too rare,
// a test of that rule.
//
//	OMSYNC_MUTANTS=all go test -v -run TestMutants ./merge    counts how many of 20,000 schedules do
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the package once for each rule")
	}
	count := os.Getenv("OMSYNC_MUTANTS") == "all"
	for _, m := range mutants {
		t.Run(m.rule, func(t *testing.T) {
			if !count {
				t.Parallel()
			}
			out, failed := m.run(t, count)
			if count {
				t.Logf("%d of 20000: %v", bytes.Count(out, []byte("schedule ")), kinds(out))
			} else if !failed {
				t.Errorf("%d schedules and %q do not notice", m.schedules, m.test)
			}
		})
	}
}

func (m mutant) run(t *testing.T, count bool) (out []byte, failed bool) {
	name := "TestSchedules"
	if m.test != "" && !count {
		name = m.test
	}
	env := []string{fmt.Sprint("OMSYNC_SCHEDULES=", m.schedules), "OMSYNC_FAILURES=1", "OMSYNC_SEED="}
	if count {
		env = append(env, "OMSYNC_SCHEDULES=20000", "OMSYNC_FAILURES=20000")
	}
	out, failed, err := mutation.Mutant{Rule: m.rule, File: m.file, Old: m.old, New: m.new}.Run(t.TempDir(), "^"+name+"$", env...)
	if errors.Is(err, mutation.ErrNoGo) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, failed
}

// kinds counts the kinds of faults in the output of TestSchedules.
func kinds(out []byte) map[string]int {
	counts := map[string]int{}
	for line := range strings.Lines(string(out)) {
		if _, rest, ok := strings.Cut(line, "schedule "); ok {
			_, rest, _ = strings.Cut(rest, ": ")
			kind, _, _ := strings.Cut(rest, ":")
			counts[strings.TrimSpace(kind)]++
		}
	}
	return counts
}
