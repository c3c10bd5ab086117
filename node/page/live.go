package page

import (
	"net/http"
	"time"
)

// liveMark is where a view goes on with what a job does, while it does it: browsers show what they have so far, and need no script.
const liveMark = "<!--live-->"

// How often a view goes on, and for how long one answer may.
const (
	liveEvery = time.Second
	liveFor   = 8 * time.Minute
)

// follow writes how far the job is, until it has ended, and then what came of it.
func (a *asked) follow() {
	j := a.page.acts.job()
	if j == nil {
		return
	}
	flush := http.NewResponseController(a.w)
	every := time.NewTicker(liveEvery)
	defer every.Stop()
	end := time.After(liveFor)
	var last progressView
	for shown := false; ; {
		v := j.view()
		if !v.Running {
			break
		}
		if !shown || v.Progress != last {
			a.fragment("progress", v)
			shown, last = true, v.Progress
		}
		if flush.Flush() != nil {
			return
		}
		select {
		case <-every.C:
			continue
		case <-j.done:
			continue
		case <-end:
		case <-a.ctx().Done():
		}
		return
	}
	a.fragment("outcome", j.view())
}

// fragment writes a part of a view.
func (a *asked) fragment(name string, v *jobView) {
	if err := a.view.templates.ExecuteTemplate(a.w, name, v); err != nil {
		a.page.Log.Debug("show", "view", name, "error", err) // whoever asked may be gone
	}
}
