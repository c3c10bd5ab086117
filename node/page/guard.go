package page

import (
	"context"
	"errors"
	"net/http"

	"github.com/omsync/omsync/internal/remote"
	"github.com/omsync/omsync/node/page/accounts"
)

// route is one way into the page. right is what it asks of who wants it.
type route struct {
	method, path string
	right        accounts.Right
	serve        func(*asked) error
}

// routes are all ways into the page.
func (p *Page) routes() []route {
	return []route{
		{"GET", "/style.css", accounts.Anyone, p.style},
		{"GET", "/login", accounts.Anyone, p.loginForm},
		{"POST", "/login", accounts.Anyone, p.login},
		{"POST", "/logout", accounts.Anyone, p.logout},
		{"GET", "/first/{token}", accounts.Anyone, p.firstForm},
		{"POST", "/first/{token}", accounts.Anyone, p.first},
		{"GET", "/{$}", accounts.Look, p.home},
		{"GET", "/needs", accounts.Look, p.needsSheet},
		{"GET", "/needs.txt", accounts.Look, p.needsText},
		{"GET", "/sites/{name}", accounts.Look, p.site},
		{"POST", "/sites/{name}/suspend", accounts.Act, p.suspend},
		{"POST", "/sites/{name}/resume", accounts.Act, p.resume},
		{"GET", "/sites/{name}/compared", accounts.Look, p.compared},
		{"POST", "/sites/{name}/compared/again", accounts.Act, p.compareAgain},
		{"POST", "/sites/{name}/compared/repair", accounts.Act, p.repair},
		{"POST", "/sync", accounts.Act, p.sync},
		{"GET", "/waiting", accounts.Look, p.waiting},
		{"GET", "/waiting/{id}", accounts.Rows, p.waitingRow},
		{"POST", "/waiting/retry", accounts.Act, p.retry},
		{"POST", "/waiting/{id}/drop", accounts.Act, p.drop},
		{"GET", "/conflicts", accounts.Look, p.conflicts},
		{"GET", "/conflicts/{id}", accounts.Rows, p.conflict},
		{"POST", "/conflicts/{id}/{how}", accounts.Act, p.decide},
		{"GET", "/policies", accounts.Look, p.policies},
		{"POST", "/policies/set", accounts.Act, p.setPolicy},
		{"POST", "/policies/remove", accounts.Act, p.removePolicy},
		{"GET", "/log", accounts.Act, p.auditLog},
		{"GET", "/sites/{name}/tables", accounts.Look, p.siteTables},
		{"POST", "/sites/{name}/tables/look", accounts.Act, p.lookAtTables},
		{"POST", "/sites/{name}/tables/set", accounts.Act, p.setTables},
		{"GET", "/tables", accounts.Look, p.siteTables},
		{"POST", "/tables/look", accounts.Act, p.lookAtTables},
		{"POST", "/tables/set", accounts.Act, p.setTables},
		{"GET", "/invitations", accounts.Look, p.invitations},
		{"POST", "/invitations", accounts.Act, p.invite},
		{"POST", "/invitations/{name}/revoke", accounts.Act, p.uninvite},
		{"GET", "/join", accounts.Act, p.joinForm},
		{"POST", "/join", accounts.Act, p.join},
		{"GET", "/stick", accounts.Look, p.stick},
		{"POST", "/stick/{how}", accounts.Act, p.useStick},
		{"GET", "/files", accounts.Look, p.files},
		{"POST", "/files/{how}", accounts.Act, p.decideFile},
		{"POST", "/files/{name}/accept", accounts.Act, p.acceptDeletions},
		{"GET", "/requests", accounts.Rows, p.requests},
		{"POST", "/requests/{how}", accounts.Act, p.answer},
		{"GET", "/match", accounts.Rows, p.match},
		{"POST", "/match/read", accounts.Act, p.readMatch},
		{"POST", "/match/decide", accounts.Act, p.decideMatch},
		{"GET", "/doctor", accounts.Rows, p.doctor},
		{"POST", "/doctor", accounts.Act, p.check},
	}
}

// asked is a request, and who asks.
type asked struct {
	page    *Page
	w       http.ResponseWriter
	r       *http.Request
	account accounts.Account // nobody's: not logged in
	view    *view            // in the person's language
}

func (a *asked) ctx() context.Context { return a.r.Context() }

// Keys of what a session holds.
const (
	keyName       = "name"
	keyGeneration = "generation"
	keyMessage    = "message"
	keyFailed     = "failed"
)

// errNothing is that there is no such thing, or no more.
var errNothing = errors.New("nothing there")

// guard lets those through who have the right that the route asks for.
func (p *Page) guard(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		a := &asked{page: p, w: w, r: req, view: p.views.of(w, req)}
		account, err := p.who(req)
		if err != nil {
			a.fail(err)
			return
		}
		a.account = account
		switch {
		case account.Role.May(r.right):
			if err := r.serve(a); err != nil {
				a.fail(err)
			}
		case account.Name == "" && req.Method == http.MethodGet:
			http.Redirect(w, req, "/login", http.StatusSeeOther)
		case account.Name == "":
			a.refuse(http.StatusUnauthorized, a.view.printer.Say("You are not logged in any more. Nothing was done."))
		default:
			a.refuse(http.StatusForbidden, a.view.printer.Say("This is for operators."))
		}
	})
}

// who returns whose session a request is of. One of an account that is gone, or whose password has changed since, is nobody's.
func (p *Page) who(r *http.Request) (accounts.Account, error) {
	name := p.sessions.GetString(r.Context(), keyName)
	if name == "" {
		return accounts.Account{}, nil
	}
	x, err := p.Accounts.Find(name)
	switch {
	case errors.Is(err, accounts.ErrNobody), err == nil && x.Generation != p.sessions.GetString(r.Context(), keyGeneration):
		return accounts.Account{}, p.sessions.Destroy(r.Context())
	case err != nil:
		return accounts.Account{}, err
	}
	return x, nil
}

// from is the address of the computer that asks. A proxy is believed about it where there is to be one.
func (a *asked) from() string {
	if a.page.Proxied {
		return remote.Address(a.r)
	}
	return remote.Peer(a.r)
}

// note writes into the audit log.
func (a *asked) note(what, result string) error {
	return a.page.Accounts.Note(accounts.Entry{Who: a.account.Name, From: a.from(), What: what, Result: result})
}
