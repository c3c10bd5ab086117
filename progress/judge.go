package progress

import (
	"slices"
	"time"
)

// Judgement is how a node is doing. Findings are in order of need.
type Judgement struct {
	Level    Level
	Says     Text // the one sentence
	Findings []Finding
	Peers    []PeerJudgement // in order of need, then by name
}

// PeerJudgement is how the exchange with a peer is doing.
type PeerJudgement struct {
	Name     string
	Parent   bool
	Level    Level
	Says     Text // the first finding, or that all is well
	Findings []Finding
	Habit    time.Duration // how long it is silent now and then; 0: not known yet
	Allowed  time.Duration // and may be
}

// early is how much later than now a contact may seem to be: clocks are set by a little all the time.
const early = time.Hour

// patience is how long rows may wait for others before somebody should look.
const patience = 3 * 24 * time.Hour

// Judge says how a node is doing.
func Judge(f Facts, b Bounds) Judgement {
	var j Judgement
	for _, p := range f.Peers {
		j.Peers = append(j.Peers, judgePeer(p, f, b))
	}
	slices.SortStableFunc(j.Peers, func(x, y PeerJudgement) int { return int(y.Level) - int(x.Level) })
	j.Findings = append(nodeFindings(f, b), linkFindings(f, b)...)
	sortFindings(j.Findings)
	j.Level = worst(j.Findings)
	for _, p := range j.Peers {
		j.Level = max(j.Level, p.Level)
	}
	j.Says = sentence(f, j)
	return j
}

func sortFindings(f []Finding) {
	slices.SortStableFunc(f, func(x, y Finding) int { return int(y.Level) - int(x.Level) })
}

func worst(findings []Finding) (l Level) {
	for _, f := range findings {
		l = max(l, f.Level)
	}
	return l
}

// sentence is the one about the whole node: of a child about its parent, which keeps its work, of others about their sites.
func sentence(f Facts, j Judgement) Text {
	children, well := 0, 0
	for _, p := range j.Peers {
		if p.Parent {
			if j.Level == Needs && p.Level != Needs {
				return Say("Something here needs somebody.")
			}
			return p.Says
		}
		children++
		if p.Level == Well {
			well++
		}
	}
	switch {
	case children == 0 && j.Level == Well:
		return Say("There is nobody to exchange with yet.")
	case children == 0:
		return Say("Something here needs somebody.")
	case well == children && j.Level == Well:
		return Say("All is well: %d sites are in step.", children)
	case well == children:
		return Say("All sites are well, and something here needs somebody.")
	}
	return Say("%d of %d sites need a look.", children-well, children)
}

// nodeFindings are those about the node itself.
func nodeFindings(f Facts, b Bounds) (out []Finding) {
	add := func(l Level, step Step, key string, args ...any) {
		out = append(out, Finding{l, Say(key, args...), step})
	}
	for _, p := range f.Peers {
		if p.Heard.Sub(f.Now) > early || p.UnsentSince.Sub(f.Now) > early {
			add(Needs, Step{Says: Say("Set this computer's clock.")}, "The clock of this computer went back, or was ahead: nobody can say how old things are.")
			break
		}
	}
	aside, deletions := 0, map[string]bool{}
	for _, file := range f.Files {
		switch {
		case file.Aside:
			aside++
		case file.Deletions && !deletions[file.Sender]:
			deletions[file.Sender] = true
			add(Needs, Step{Command: "import --accept-deletions " + file.Sender}, "A file of %s deletes much, and waits for a person to agree.", file.Sender)
		}
	}
	if aside > 0 {
		add(Needs, Step{Command: "inbox list"}, "%d files failed too often, and nothing tries them any more.", aside)
	}
	if len(f.Triggers) > 0 {
		add(Needs, Step{Command: "sync"}, "Changes of %d tables may not be noticed: their triggers are not as they should be.", len(f.Triggers))
	}
	if f.Nameless > 0 {
		add(Late, Step{Command: "doctor"}, "Rows of %d tables stay here, because nothing names them at other sites.", f.Nameless)
	}
	switch {
	case f.MoreConflicts:
		add(Needs, Step{Command: "conflicts list"}, "More than %d conflicts are open.", f.Conflicts)
	case f.Conflicts > 0:
		add(Needs, Step{Command: "conflicts list"}, "%d conflicts are open.", f.Conflicts)
	}
	if age := f.Now.Sub(f.UnsealedSince); f.Unsealed > 0 && !f.UnsealedSince.IsZero() && age > b.Least && !hasParent(f) {
		add(Late, Step{Command: "sync"}, "%d changes since %s were not taken in yet: no run of omsync saw them.", f.Unsealed, f.UnsealedSince)
	}
	return out
}

func hasParent(f Facts) bool {
	return slices.ContainsFunc(f.Peers, func(p Peer) bool { return p.Parent && !p.Suspended })
}

// linkFindings are those about links. One that is down for a while is no matter: a stick is there once a week.
func linkFindings(f Facts, b Bounds) (out []Finding) {
	for _, l := range f.Links {
		switch {
		case l.Refused != "":
			out = append(out, Finding{Late, Say("The last file over %s was not applied there.", l.Name), Step{Command: "status -v"}})
		case !l.Down.IsZero() && l.Up.IsZero():
			out = append(out, Finding{Late, Say("%s was never there: %s", l.Name, l.Error), Step{Command: "sync"}})
		case !l.Down.IsZero() && (f.Now.Sub(l.Down) > b.Most || f.Now.Before(l.Down.Add(-early))):
			out = append(out, Finding{Late, Say("%s is not there since %s: %s", l.Name, l.Down, l.Error), Step{Command: "sync"}})
		}
	}
	return out
}
