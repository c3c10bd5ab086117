package page

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/klauspost/compress/gzhttp"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/page/accounts"
)

// Limits of requests and sessions.
const (
	maxBody    = 16 << 10
	maxHeader  = 16 << 10
	idleEnd    = 30 * time.Minute // of a session that nobody uses
	sessionEnd = 12 * time.Hour   // of any
)

// Options say what the page is of, and how it works.
type Options struct {
	Accounts *accounts.Accounts
	// Open opens the node to read, loaded. The page opens it anew now and then.
	Open func(context.Context) (*node.Node, error)
	// Run has commands done.
	Run Command
	// Encrypted: people reach the page over TLS, its own or a proxy's.
	Encrypted bool
	// Proxied: requests come through a proxy on this computer, which says in X-Forwarded-For whose they are.
	Proxied bool
	Log     *slog.Logger
}

// Command has a command done, given without the program's name and home folder, and returns what it printed, for people.
type Command func(ctx context.Context, d Doing, args ...string) (printed string, err error)

// Doing is what a command is given beside its arguments.
type Doing struct {
	Input string // on its standard input
	// Progress hears how far a piece of work is, of which a label says what it is; a total of 0 is not known. nil: nobody looks on.
	Progress func(label string, bytes bool, done, total int64)
}

// Page is the page of a node.
type Page struct {
	Options
	source   *source
	sessions *scs.SessionManager
	views    *views
	limits   *limits
	acts     *acts
	checked  checked
	matched  matched
	handler  http.Handler
}

// New returns the page.
func New(o Options) (*Page, error) {
	p := &Page{Options: o, source: &source{open: o.Open}, limits: newLimits(), acts: newActs(o.Run)}
	var err error
	if p.views, err = loadViews(); err != nil {
		return nil, err
	}
	p.sessions = scs.New()
	p.sessions.IdleTimeout, p.sessions.Lifetime = idleEnd, sessionEnd
	p.sessions.Cookie.Name = "omsync"
	if o.Encrypted {
		p.sessions.Cookie.Name, p.sessions.Cookie.Secure = "__Host-omsync", true
	}
	p.sessions.Cookie.HttpOnly, p.sessions.Cookie.SameSite, p.sessions.Cookie.Persist = true, http.SameSiteStrictMode, false
	p.sessions.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		p.Log.Error("session", "error", err)
		http.Error(w, "session", http.StatusInternalServerError)
	}
	mux := http.NewServeMux()
	for _, r := range p.routes() {
		mux.Handle(r.method+" "+r.path, p.guard(r))
	}
	mux.Handle("/", p.guard(route{right: accounts.Anyone, serve: p.nothing}))
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1024))
	if err != nil {
		return nil, err
	}
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(p.headers(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "this request came from another site", http.StatusForbidden)
	})))
	p.handler = p.headers(compress(crossOrigin.Handler(p.bounded(p.sessions.LoadAndSave(mux)))))
	return p, nil
}

// ServeHTTP answers a request.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Close ends what is under way, as an interrupt does, and gives back the node.
func (p *Page) Close() {
	p.acts.stop()
	p.source.close()
}

// headers says to browsers what the page may do: nothing but show itself.
func (p *Page) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // links that set a password are secret
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no") // a view may go on while something is done
		next.ServeHTTP(w, r)
	})
}

func (p *Page) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// Serve answers until the context ends, which is no error.
func (p *Page) Serve(ctx context.Context, l net.Listener, c *tls.Config) error {
	s := &http.Server{Handler: p, MaxHeaderBytes: maxHeader, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 10 * time.Minute, IdleTimeout: 2 * time.Minute, TLSConfig: c, ErrorLog: slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = s.Shutdown(end) // what is not done by then is cut off
	})
	defer stop()
	var err error
	if c != nil {
		err = s.ServeTLS(l, "", "")
	} else {
		err = s.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Listen listens at an address.
func Listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, failure.Hinted(fmt.Errorf("listen on %s: %w", address, err), "is another page there? --listen picks another address")
	}
	return l, nil
}
