package apply_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/apply/reserve"
	"github.com/omsync/omsync/internal/sites"
)

// importAtOnce imports files of several senders at the same time, each over a connection of its own, and then what waits. meanwhile is run at
// the same time; nil: nothing is.
func importAtOnce(t testing.TB, s *sites.Site, files []*sites.File, meanwhile func()) ([]*apply.Report, []error) {
	t.Helper()
	var imports reserve.Imports
	var all sync.WaitGroup
	reports, errs := make([]*apply.Report, len(files)), make([]error, len(files))
	for i, f := range files {
		n := beside(t, s)
		n.Waits = false // what waits is tried when all are done
		all.Go(func() {
			reports[i], errs[i] = n.ImportErr(f, func(o *apply.Options) { o.Others, o.Strict = &imports, !s.Waits })
		})
	}
	if meanwhile != nil {
		all.Go(meanwhile)
	}
	all.Wait()
	s.J.DB.SetMaxIdleConns(0) // no connection that was cut is used any more
	s.J.DB.SetMaxIdleConns(4)
	if err := s.J.Reload(t.Context(), s.J.DB); err != nil {
		t.Fatal(err)
	}
	if s.Waits {
		if err := s.Retry(); err != nil {
			t.Fatal(err)
		}
	}
	return reports, errs
}

// deliverAtOnce imports files of several clinics at the same time.
func (w *chaos) deliverAtOnce(files ...*sites.File) {
	n := w.actor(files[0].To)
	reports, errs := importAtOnce(w.t, n.Site, files, nil)
	n.forget()
	for i, f := range files {
		if errs[i] != nil {
			w.tell("%s imports %s beside another: %v", n.Name, f.Name, errs[i])
			w.imported["at once: refused for a reference"]++
			if !strings.Contains(errs[i].Error(), nowhere) {
				w.t.Fatalf("%s imports %s beside another: %v", n.Name, f.Name, errs[i])
			}
			continue
		}
		w.imported["at once: "+reports[i].Outcome]++
		w.tell("%s imports %s beside another: %+v", n.Name, f.Name, reports[i])
	}
}
