package exchange

import (
	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/exchange/attempts"
)

// accepts reports whether a person has agreed to what a file deletes: it waited for that, or the person named it.
func (r *importRun) accepts(f *Incoming) bool {
	return r.Accept == f.sender.Name && (!r.counts() || f.before.Deletions != nil)
}

// asks returns what the record of attempts keeps of deletions that wait for a person.
func asks(e *apply.DeletionsError) (out []attempts.Deletions) {
	for _, t := range e.Tables {
		out = append(out, attempts.Deletions(t))
	}
	return out
}

// asked returns the error of a file that waits for a person, from what is remembered of it.
func asked(f attempts.File) *apply.DeletionsError {
	e := &apply.DeletionsError{}
	for _, d := range f.Deletions {
		e.Tables = append(e.Tables, apply.DeletedRows(d))
	}
	return e
}

// sayWhatAsks says why what a file builds on is not applied, if that waits for a person here.
func (r *importRun) sayWhatAsks(f *Incoming, p *apply.Report) {
	for _, name := range r.record.Asking(f.sender.Name) {
		p.Why += "; of " + name + ": " + asked(r.record.Files[name]).Error()
	}
}
