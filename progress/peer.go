package progress

import "time"

// judgePeer says how the exchange with a peer is doing.
func judgePeer(p Peer, f Facts, b Bounds) PeerJudgement {
	allowed := Allowed(p, f.Now, b)
	j := PeerJudgement{Name: p.Name, Parent: p.Parent, Habit: Habit(p.Silences, f.Now), Allowed: allowed}
	switch {
	case p.Revoked:
		j.Findings = []Finding{{Late, Say("The keys of %s are revoked: nothing is exchanged with it.", p.Name), Step{Says: Say("Invite it again, or add its new card.")}}}
	case p.Suspended:
		j.Findings = []Finding{{Late, Say("%s is suspended: nothing is exchanged with it.", p.Name), Step{Command: "peer resume " + p.Name}}}
	default:
		j.Findings = append(silenceFindings(p, f.Now, allowed), unsentFindings(p, f, allowed)...)
	}
	j.Findings = append(j.Findings, waitingFindings(p, f.Now)...)
	sortFindings(j.Findings)
	if j.Level = worst(j.Findings); j.Level == Well {
		j.Says = wellText(p, f)
	} else {
		j.Says = j.Findings[0].Says
	}
	return j
}

// tooLong is the level of something that is so for a time, where a time is allowed. One that is not known, or later than now, is no short one.
func tooLong(age, allowed time.Duration) Level {
	switch {
	case age < -early || age > 3*allowed:
		return Needs
	case age > allowed:
		return Late
	}
	return Well
}

// silenceFindings are about when the peer was heard.
func silenceFindings(p Peer, now time.Time, allowed time.Duration) []Finding {
	step := Step{Says: Say("Ask %s whether its timer runs and its link is there.", p.Name)}
	if p.Parent {
		step = Step{Command: "sync"}
	}
	if p.Heard.IsZero() {
		return []Finding{{max(Late, tooLong(now.Sub(p.Added), allowed)), Say("%s was added %s and has never been heard.", p.Name, Since(p.Added)), step}}
	}
	age := now.Sub(p.Heard)
	level := tooLong(age, allowed)
	switch {
	case level == Well:
		return nil
	case age < 0:
		return []Finding{{level, Say("Nobody can say when %s was last heard: the clock here was wrong.", p.Name), step}}
	}
	if habit := Habit(p.Silences, now); habit > 0 {
		return []Finding{{level, Say("%s has been silent for %s; it is used to %s at most.", p.Name, age, habit), step}}
	}
	return []Finding{{level, Say("%s has been silent for %s.", p.Name, age), step}}
}

// Since marks a time as one at which something was, not since which something is.
type Since time.Time

// unsent returns how much of here the peer does not have, and since when. Of a parent, what was not taken in yet counts too.
func unsent(p Peer, f Facts) (int64, time.Time) {
	n, since := p.Unsent, p.UnsentSince
	if p.Parent && f.Unsealed > 0 {
		n += f.Unsealed
		if u := f.UnsealedSince; !u.IsZero() && (since.IsZero() || u.Before(since)) {
			since = u
		}
	}
	return n, since
}

// unsentFindings are about what the peer lacks.
func unsentFindings(p Peer, f Facts, allowed time.Duration) []Finding {
	n, since := unsent(p, f)
	if n == 0 || since.IsZero() {
		return nil
	}
	level := tooLong(f.Now.Sub(since), allowed)
	if level == Well {
		return nil
	}
	return []Finding{{level, Say("%d changes since %s are not at %s yet.", n, since, p.Name), Step{Command: "sync"}}}
}

// waitingFindings are about rows that wait here and there, and what else the peer's files show.
func waitingFindings(p Peer, now time.Time) (out []Finding) {
	var rows int64
	for _, w := range p.Waiting {
		if age := now.Sub(w.Since); !w.ByItself || age > patience || age < -early {
			rows += w.Rows
		}
	}
	if rows > 0 {
		out = append(out, Finding{Needs, Say("%d rows of %s cannot be applied here.", rows, p.Name), Step{Command: "quarantine list --peer " + p.Name}})
	}
	if p.There > 0 {
		out = append(out, Finding{Late, Say("%d rows of this node cannot be applied at %s.", p.There, p.Name), Step{Says: Say("Ask %s: omsync quarantine list there names them.", p.Name)}})
	}
	if p.Stopped {
		out = append(out, Finding{Needs, Say("%s has used up a quota, and its files are not applied.", p.Name), Step{Command: "status -v"}})
	}
	if p.Copies {
		out = append(out, Finding{Needs, Say("Two copies of %s are at work, and the files of neither are applied.", p.Name), Step{Command: "status -v"}})
	}
	if p.Differ > 0 {
		out = append(out, Finding{Late, Say("%d rows differ here and at %s.", p.Differ, p.Name), Step{Command: "verify --kept --peer " + p.Name}})
	}
	if p.DiskFree > 0 && p.DiskFree < littleRoom {
		level := Late
		if p.DiskFree < noRoom {
			level = Needs
		}
		out = append(out, Finding{level, Say("The disk of %s is nearly full: it has %d MiB left.", p.Name, p.DiskFree>>20), Step{Says: Say("Ask %s to make room: old backups, logs, the server's binary logs.", p.Name)}})
	}
	switch ahead := p.ClockAhead; {
	case ahead > 0:
		out = append(out, Finding{clockLevel(ahead), Say("The clock of %s is %s ahead of this computer's.", p.Name, ahead), Step{Says: Say("Set the clock that is wrong.")}})
	case ahead < 0:
		out = append(out, Finding{clockLevel(-ahead), Say("The clock of %s is %s behind this computer's.", p.Name, -ahead), Step{Says: Say("Set the clock that is wrong.")}})
	}
	return out
}

// What is little room on a disk, in bytes: with so much less, a database may stop soon.
const (
	littleRoom = 2 << 30
	noRoom     = 200 << 20
)

// clockLevel is the level of a clock that is off by so much: by a day, what is late cannot be told from what is not.
func clockLevel(by time.Duration) Level {
	if by >= 24*time.Hour {
		return Needs
	}
	return Late
}

// wellText is what is said of a peer with which all is well.
func wellText(p Peer, f Facts) Text {
	n, since := unsent(p, f)
	switch {
	case n > 0 && since.IsZero():
		return Say("%d changes are not at %s yet; it was heard %s.", n, p.Name, Since(p.Heard))
	case n > 0:
		return Say("%d changes since %s are not at %s yet; it was heard %s.", n, since, p.Name, Since(p.Heard))
	case p.Parent:
		return Say("All work is safe at %s, which was heard %s.", p.Name, Since(p.Heard))
	}
	return Say("%s has all, and was heard %s.", p.Name, Since(p.Heard))
}
