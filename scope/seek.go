package scope

import "github.com/omsync/omsync/merge"

// Limits of requests by identifier.
const (
	MaxSeeks      = 256  // identifiers that a header asks for; the next ones follow when these are answered
	MaxIdentifier = 200  // bytes of one
	MaxReplies    = 1024 // answers that a parent keeps for one child, until it has heard them; what it asks beyond is not taken
)

// Answer says what is known of a request.
type Answer uint8

const (
	NotAsked Answer = iota
	Open            // nothing yet
	Passed          // the parent asks its own parent
	Found           // one patient: Reply.Owner
	Waits           // one patient, and a person is to answer
	Nobody          // there is no such patient
	Several         // there are several
	Voided          // the identifier is voided, or the patient who has it
	Keyless         // who has it has no key that other nodes know
)

// Ends reports whether an answer ends a request by identifier. What follows it is by the key.
func (a Answer) Ends() bool { return a > Passed }

// String returns the answer in one word.
func (a Answer) String() string {
	names := [...]string{"", "open", "passed", "found", "waits", "nobody", "several", "voided", "keyless"}
	if int(a) < len(names) {
		return names[a]
	}
	return "unknown"
}

// Reply is what a node keeps of one request: at a parent, what it answered a child, by whose own name for the patient; at a child, what it was
// answered.
type Reply struct {
	Answer Answer
	Owner  Owner  // with Found and Waits
	At     uint64 // at a parent, the own epoch of the answer
}

// Told reports whether the header of a batch to the child that starts at the own epoch base says it.
func (r Reply) Told(base uint64) bool { return r.At > base }

// Identity is who has an identifier here.
type Identity struct {
	Owners  []Owner // each once; neither voided nor by a voided identifier
	Voided  bool    // somebody has it who is voided, or whose identifier is
	Keyless bool    // somebody has it who has no key that other nodes know
}

// answer says whom an identifier names here.
func (i Identity) answer() Answer {
	switch {
	case i.Keyless:
		return Keyless
	case len(i.Owners) == 1:
		return Found
	case len(i.Owners) > 1:
		return Several
	case i.Voided:
		return Voided
	}
	return Nobody
}

// Seek notes that this node asks its parent for whoever has an identifier. It reports whether that is so; it is not if it asks for too many.
func (n Node) Seek(identifier string) bool {
	if !n.HasParent() || identifier == "" || len(identifier) > MaxIdentifier {
		return false
	}
	if a := n.Sought(identifier).Answer; a != NotAsked && !a.Ends() {
		return true
	}
	if all := n.AllSought(); len(all) >= MaxReplies {
		left := len(all)
		for _, i := range all {
			if n.Sought(i).Answer.Ends() {
				n.SetSought(i, Reply{})
				left--
			}
		}
		if left >= MaxReplies {
			return false
		}
	}
	n.SetSought(identifier, Reply{Answer: Open})
	return true
}

// Seeks returns the identifiers that a header to the parent asks for, [MaxSeeks] at most: each stands in every header until it is answered.
func (n Node) Seeks() []string {
	var out []string
	for _, identifier := range n.AllSought() {
		if !n.Sought(identifier).Answer.Ends() && len(out) < MaxSeeks {
			out = append(out, identifier)
		}
	}
	return out
}

// Identify takes from a child's header whom it asks for by identifiers; the rest is as for [Node.Request]. Whom an identifier names here is admitted,
// or waits for a person; what it names nobody by goes to this node's own parent, if there is one. What the child is answered it has not heard
// is not looked for again. It returns of whom something is kept that was not before, as Request does, and how many identifiers were looked for anew
// that brought nobody: each is a line of the log, and who guesses makes many.
func (n Node) Identify(p merge.Peer, identifiers []string, acked, ack uint64, valid bool) (kept []Owner, vain int) {
	room := MaxReplies
	for _, i := range n.Replies(p) {
		if r := n.Reply(p, i); r.Answer.Ends() && !r.Told(acked) {
			n.SetReply(p, i, Reply{})
		} else {
			room--
		}
	}
	for _, i := range identifiers[:min(len(identifiers), MaxSeeks)] {
		r := n.Reply(p, i)
		switch {
		case len(i) > MaxIdentifier || i == "" || r.Answer.Ends():
			continue
		case r.Answer == NotAsked && room <= 0:
			continue
		case r.Answer == NotAsked:
			room--
		}
		found := n.Who(i)
		answer := found.answer()
		if answer == Nobody && n.HasParent() {
			if !n.Seek(i) {
				continue
			}
			answer = Passed
		}
		brought := n.answer(p, i, answer, found.Owners, acked, ack, valid)
		if kept = append(kept, brought...); r.Answer == NotAsked && len(brought) == 0 {
			vain++
		}
	}
	return kept, vain
}

// answer keeps what a child is answered, and does it.
func (n Node) answer(p merge.Peer, identifier string, a Answer, owners []Owner, acked, ack uint64, valid bool) (kept []Owner) {
	var o Owner
	if a == Found {
		o = owners[0]
		kept = n.Request(p, owners, acked, ack, valid)
		if e := n.Entry(p, o); e.Asked {
			a = Waits
		}
	}
	if r := n.Reply(p, identifier); r.Answer != a || r.Owner != o {
		n.SetReply(p, identifier, Reply{a, o, n.Epoch()})
	}
	return kept
}

// waits notes, where there is room, that a child is told that a person is to answer what it asks.
func (n Node) waits(p merge.Peer, o Owner, room *int) {
	if *room < 0 {
		*room = MaxReplies - len(n.Replies(p))
	}
	if *room > 0 && len(o) <= MaxIdentifier {
		*room--
		n.SetReply(p, string(o), Reply{Waits, o, n.Epoch()})
	}
}

// hearReplies takes what the parent answered. Whom it found this node asks for by the key, until the parent says that it has the patient. What
// a child's request was passed on for is answered with it.
func (n Node) hearReplies(replies map[string]Reply) {
	for _, i := range n.AllSought() {
		r, told := replies[i]
		if !told || n.Sought(i).Answer.Ends() || r.Answer < Passed || r.Answer > Keyless {
			continue
		}
		found := r.Answer == Found || r.Answer == Waits
		n.SetSought(i, Reply{Answer: r.Answer, Owner: r.Owner})
		if found {
			n.Ask(r.Owner)
		}
		if !r.Answer.Ends() {
			continue
		}
		for _, p := range n.RepliedTo(i) {
			had := n.Reply(p, i)
			switch {
			case had.Answer != Passed:
			case found: // at is the latest that the child can have known when it asked
				n.answer(p, i, Found, []Owner{r.Owner}, 0, had.At, true)
			default:
				n.answer(p, i, r.Answer, nil, 0, 0, false)
			}
		}
	}
	for i, r := range replies {
		if r.Answer == Waits && i == string(r.Owner) && n.Want(r.Owner) {
			n.SetSought(i, Reply{Answer: Waits, Owner: r.Owner})
		}
	}
}

// personAnswered forgets that a person is to answer what this node asks.
func (n Node) personAnswered(o Owner) {
	if n.Sought(string(o)).Answer == Waits {
		n.SetSought(string(o), Reply{})
	}
}
