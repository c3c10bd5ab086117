// Package server is the hub's side of the link over HTTP: an http.Handler that takes nodes' files and gives them theirs.
//
// A request is split into a route (routes.go), its signature checked (authenticate.go), and counted against what its node may
// do at once (slots.go). Then it is an upload (upload.go: begin and ask; patch.go: bytes; complete.go: the whole file), mail
// (mail.go; wait.go: until there is some), or a request to join (join.go).
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omsync/omsync/internal/remote"
	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/httpsig"
	"github.com/omsync/omsync/transport/web/upload"
)

// Options say what a server is and what it does with what arrives. Its functions may be called at the same time.
type Options struct {
	Self    string // this node's name
	Version string
	Proxied bool   // a reverse proxy hands the requests on: no interim answers (1xx)
	Prefix  string // path before /v1, such as /omsync, where a reverse proxy keeps one; a proxy may also take it off

	// Node finds the key of a node. Of a node that is not known, verify takes no signature. An error beside verify that is a
	// *web.Problem (suspended) is answered to who signed well; any other means that the node cannot be looked up now: 503.
	Node func(ctx context.Context, name string) (verify func(msg, sig []byte) error, err error)

	// Uploads is the folder for uploads that are not complete and for notes of those that are; made if missing, except for
	// its parents. It should be on the file system of the Inbox, or every file is copied.
	Uploads string
	Inbox   *transport.Folder
	// Room returns how many bytes uploads may still take, less than 0 where the reserve of the disk is used up; told: the disk tells.
	// nil: as transport.RoomIn says of Uploads.
	Room func() (left int64, told bool)
	// Outbox opens the folder with a node's mail; the server closes it. fs.ErrNotExist: no mail.
	Outbox func(node string) (*transport.Folder, error)

	// Check verifies a file before anybody sees it: that it is a batch, whole, and the node's own, under a name that is the
	// node's to use. Its error refuses the file, which is then dropped (422), unless the error is a *web.Problem with status 500
	// or more, or the context's: then the file stays and can be offered again.
	Check func(ctx context.Context, node, name string, r io.ReaderAt, size int64) error
	// Mine says whether a file of the Inbox is a node's, by its name. nil: none is, and nothing there counts for MaxPartial.
	Mine func(node, name string) bool
	// Arrived is called once a file is in the Inbox. If it is cut short by a crash it is not called again: look through the
	// Inbox at every start. Its error does not undo the upload: it is logged and told as the Receipt's Why. nil: store only.
	// After it, the server adds what is in the node's outbox to the receipt.
	Arrived func(ctx context.Context, node, name string) (web.Receipt, error)
	Listing func(ctx context.Context, node string)       // nil: none. Called before a node's mail is listed
	Taken   func(ctx context.Context, node, name string) // nil: none. Called after a node has deleted its mail
	// Healthy says whether the server can do its work; nil: it always can. What it says is logged, and not told.
	Healthy func(ctx context.Context) error
	// Join answers a node that is not known yet; remote is its address without the port. nil: 404.
	Join func(ctx context.Context, remote string, body []byte) ([]byte, error)

	// Search looks for patients of other sites for a node. Its error is answered if it is a *web.Problem. nil: 404.
	Search func(ctx context.Context, node string, q web.Search) ([]web.Patient, error)

	Log     *slog.Logger         // nil: none
	Metrics *prometheus.Registry // nil: none

	MaxFile      int64            // bytes; 0: 64 GiB
	MaxRequests  int              // at the same time; 0: 256
	StallTimeout time.Duration    // without a byte in or out; 0: 60 s
	MaxPartial   int64            // bytes that a node may keep here, in unfinished uploads and in the Inbox; 0: 2 × MaxFile
	Now          func() time.Time // nil: time.Now
}

// Server is an http.Handler that takes nodes' files and gives them theirs. See [New].
type Server struct {
	o        Options
	log      *slog.Logger
	routes   map[string]route
	start    startTime
	uploads  *upload.Store
	nonces   httpsig.Nonces
	joins    joinLimit
	searches searchLimit
	waits    waits
	nodes    nodeSlots
	slots    chan struct{} // one for each request that is being answered
	metrics  *metrics
	running  sync.WaitGroup
	end      func()          // closes ending
	ending   <-chan struct{} // ends what only waits, when the server is to end
	stop     func()          // closes stopped
	stopped  <-chan struct{} // ends what goes on when its client has gone
}

// check says what is missing or wrong.
func (o *Options) check() error {
	if o.Self == "" || o.Node == nil || o.Inbox == nil || o.Outbox == nil || o.Check == nil || o.Uploads == "" {
		return errors.New("web server: Self, Node, Uploads, Inbox, Outbox and Check are needed")
	}
	if o.Prefix != "" && !strings.HasPrefix(o.Prefix, "/") {
		return fmt.Errorf("web server: path prefix %q: begin it with /", o.Prefix)
	}
	return nil
}

// setDefaults sets what may be left out.
func (o *Options) setDefaults() {
	if o.MaxFile <= 0 {
		o.MaxFile = 64 << 30
	}
	if o.MaxPartial <= 0 {
		o.MaxPartial = 2 * o.MaxFile
	}
	if o.MaxRequests <= 0 {
		o.MaxRequests = 256
	}
	if o.StallTimeout <= 0 {
		o.StallTimeout = time.Minute
	}
	if o.Room == nil {
		folder := o.Uploads
		o.Room = func() (int64, bool) { return transport.RoomIn(folder) }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// New returns a server, which takes up the unfinished uploads that are in its folder. Only [Server.Serve] ends it.
func New(o Options) (*Server, error) {
	o.Prefix = strings.TrimSuffix(o.Prefix, "/")
	if err := o.check(); err != nil {
		return nil, err
	}
	o.setDefaults()
	uploads, err := upload.Open(o.Uploads, o.Room)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	stopped, ending := make(chan struct{}), make(chan struct{})
	s := &Server{o: o, log: o.Log, routes: routes(), start: startTime{at: o.Now().Round(0)}, uploads: uploads, metrics: m,
		slots: make(chan struct{}, o.MaxRequests), stop: sync.OnceFunc(func() { close(stopped) }), stopped: stopped,
		end: sync.OnceFunc(func() { close(ending) }), ending: ending}
	s.uploads.Sweep()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Done()
	c := &call{ResponseWriter: w, r: r, rc: http.NewResponseController(w), stall: s.o.StallTimeout, begun: time.Now(),
		proxied: s.o.Proxied || isProxied(r)}
	w.Header().Set("Date", s.o.Now().UTC().Format(http.TimeFormat)) // what a client with another clock goes by
	w.Header().Set("X-Content-Type-Options", "nosniff")
	c.extend()
	s.metrics.begin()
	defer func() {
		if what := recover(); what != nil {
			if what == http.ErrAbortHandler {
				s.metrics.end(c)
				panic(what)
			}
			s.log.Error("panic", "route", c.route, "what", what, "stack", string(debug.Stack()))
			c.fail(errors.New("panic"))
		}
		c.end()
		s.metrics.end(c)
		level := slog.LevelInfo
		if c.route == routeWait && c.status == http.StatusNoContent { // each node comes with one every minute
			level = slog.LevelDebug
		}
		s.log.Log(r.Context(), level, "request", "route", c.route, "method", r.Method, "node", c.node, "remote", remote.Address(r), "status", c.status,
			"in", c.in, "out", c.out, "took", time.Since(c.begun).Round(time.Millisecond), "problem", c.problem)
	}()
	select {
	case s.slots <- struct{}{}:
		c.leave = sync.OnceFunc(func() { <-s.slots })
		defer c.leave()
	default:
		c.route = "other"
		c.fail(web.NewProblem(http.StatusServiceUnavailable, web.TypeBusy, "too many requests at once: try again soon"))
		return
	}
	if err := s.handle(c); err != nil {
		if gone := r.Context().Err(); gone != nil && errors.Is(err, gone) { // nothing is wrong here
			err = web.NewProblem(http.StatusRequestTimeout, web.TypeGone, "the client did not wait for its answer")
		}
		if p := toProblem(err); p.Status == http.StatusInternalServerError {
			s.log.Error("request", "route", c.route, "node", c.node, "error", err)
		}
		c.fail(err)
	}
}
