package page

import (
	"errors"
	"net/http"
	"sync"

	"golang.org/x/time/rate"

	"github.com/omsync/omsync/node/page/accounts"
)

// How often somebody may try a password: a burst, and then one in a while, by name, by computer, and in all.
const (
	burstOfOne, secondsOfOne = 6, 20
	burstOfAll, secondsOfAll = 30, 1
	maxLimiters              = 10_000
	atOnce                   = 2 // passwords that are hashed at once: each takes memory
)

// limits hold back who guesses.
type limits struct {
	mu    sync.Mutex
	of    map[string]*rate.Limiter
	all   *rate.Limiter
	slots chan struct{}
}

func newLimits() *limits {
	return &limits{of: map[string]*rate.Limiter{}, all: rate.NewLimiter(1.0/secondsOfAll, burstOfAll), slots: make(chan struct{}, atOnce)}
}

// allow reports whether one more attempt is in order. One that a key stops does not count for the keys behind it, nor for all: one computer
// keeps nobody else out.
func (l *limits) allow(keys ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.of) > maxLimiters {
		clear(l.of) // the limit of all holds
	}
	for _, k := range keys {
		if l.of[k] == nil {
			l.of[k] = rate.NewLimiter(1.0/secondsOfOne, burstOfOne)
		}
		if !l.of[k].Allow() {
			return false
		}
	}
	return l.all.Allow()
}

// hashing calls f when there is room for one more hash.
func (l *limits) hashing(a *asked, f func() error) error {
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
		return f()
	case <-a.ctx().Done():
		return a.ctx().Err()
	}
}

func (p *Page) loginForm(a *asked) error {
	if a.account.Name != "" {
		http.Redirect(a.w, a.r, "/", http.StatusSeeOther)
		return nil
	}
	return a.show(http.StatusOK, "login", "Log in", nil)
}

func (p *Page) login(a *asked) error {
	name, password := a.r.PostFormValue("name"), a.r.PostFormValue("password")
	say := a.view.printer.Say
	if !p.limits.allow("from "+a.from(), "name "+name[:min(len(name), 100)]) {
		return a.show(http.StatusTooManyRequests, "login", "Log in", say("Too many attempts. Wait a minute, then try again."))
	}
	var x accounts.Account
	err := p.limits.hashing(a, func() (err error) {
		x, err = p.Accounts.Login(name, password)
		return err
	})
	switch {
	case errors.Is(err, accounts.ErrLogin):
		p.Log.Warn("login refused", "name", name[:min(len(name), 100)], "from", a.from())
		return a.show(http.StatusUnauthorized, "login", "Log in", say("The name or the password is wrong."))
	case err != nil:
		return err
	}
	return p.begin(a, x, "logged in")
}

// begin gives a session to who has shown who they are.
func (p *Page) begin(a *asked, x accounts.Account, what string) error {
	a.account = x
	if err := a.note(what, ""); err != nil {
		return err
	}
	if err := p.sessions.RenewToken(a.ctx()); err != nil {
		return err
	}
	p.sessions.Put(a.ctx(), keyName, x.Name)
	p.sessions.Put(a.ctx(), keyGeneration, x.Generation)
	http.Redirect(a.w, a.r, "/", http.StatusSeeOther)
	return nil
}

func (p *Page) logout(a *asked) error {
	if err := p.sessions.Destroy(a.ctx()); err != nil {
		return err
	}
	http.Redirect(a.w, a.r, "/login", http.StatusSeeOther)
	return nil
}

// firstData is what the view of a link shows.
type firstData struct{ Name, Error string }

func (p *Page) firstForm(a *asked) error {
	if !p.limits.allow("link " + a.from()) {
		return a.show(http.StatusTooManyRequests, "login", "Log in", a.view.printer.Say("Too many attempts. Wait a minute, then try again."))
	}
	x, err := p.Accounts.OfLink(a.r.PathValue("token"))
	if errors.Is(err, accounts.ErrLink) {
		a.refuse(http.StatusNotFound, a.view.printer.Say("This link was used, or is too old. Ask for a new one: omsync page user reset NAME"))
		return nil
	}
	if err != nil {
		return err
	}
	return a.show(http.StatusOK, "first", "Choose a password", firstData{Name: x.Name})
}

func (p *Page) first(a *asked) error {
	say := a.view.printer.Say
	if !p.limits.allow("link " + a.from()) {
		return a.show(http.StatusTooManyRequests, "login", "Log in", say("Too many attempts. Wait a minute, then try again."))
	}
	token, password := a.r.PathValue("token"), a.r.PostFormValue("password")
	x, err := p.Accounts.OfLink(token)
	if err == nil && password != a.r.PostFormValue("again") {
		return a.show(http.StatusUnprocessableEntity, "first", "Choose a password", firstData{x.Name, say("The two are not the same.")})
	}
	if err == nil {
		err = p.limits.hashing(a, func() (err error) {
			x, err = p.Accounts.SetPassword(token, password)
			return err
		})
	}
	switch {
	case errors.Is(err, accounts.ErrPassword):
		x, _ = p.Accounts.OfLink(token)
		return a.show(http.StatusUnprocessableEntity, "first", "Choose a password", firstData{x.Name, say("A password has at least %d characters.", accounts.MinPassword)})
	case errors.Is(err, accounts.ErrLink):
		a.refuse(http.StatusNotFound, say("This link was used, or is too old. Ask for a new one: omsync page user reset NAME"))
		return nil
	case err != nil:
		return err
	}
	return p.begin(a, x, "chose a password and logged in")
}
