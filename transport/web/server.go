package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omsync/omsync/internal/nodename"
	"github.com/omsync/omsync/transport"
)

// ServerOptions say what a server is and what it does with what arrives. Its functions may be called at the same time.
type ServerOptions struct {
	Self    string // this node's name
	Version string
	Proxied bool   // a reverse proxy hands the requests on: see [call.beat]
	Prefix  string // path before /v1, such as /omsync, where a reverse proxy keeps one; a proxy may also take it off

	// Node finds the key of a node. An error that is a *Problem (unknown, suspended) is answered; any other means that the
	// node cannot be looked up now: 503.
	Node func(ctx context.Context, name string) (verify func(msg, sig []byte) error, err error)

	// Uploads is the folder for uploads that are not complete and for notes of those that are; made if missing, except for
	// its parents. It should be on the file system of the Inbox, or every file is copied.
	Uploads string
	Inbox   *transport.Folder
	// Outbox opens the folder with a node's mail; the server closes it. fs.ErrNotExist: no mail.
	Outbox func(node string) (*transport.Folder, error)

	// Check verifies a file before anybody sees it: that it is a batch, whole, and the node's own, under a name that is the
	// node's to use. Its error refuses the file, which is then dropped (422), unless the error is a *Problem with status 500
	// or more, or the context's: then the file stays and can be offered again.
	Check func(ctx context.Context, node, name string, r io.ReaderAt, size int64) error
	// Mine says whether a file of the Inbox is a node's, by its name. nil: none is, and nothing there counts for MaxPartial.
	Mine func(node, name string) bool
	// Arrived is called once a file is in the Inbox. If it is cut short by a crash it is not called again: look through the
	// Inbox at every start. Its error does not undo the upload: it is logged and told as the Receipt's Why. nil: store only.
	// After it, the server adds what is in the node's outbox to the receipt.
	Arrived func(ctx context.Context, node, name string) (Receipt, error)
	Listing func(ctx context.Context, node string)       // nil: none. Called before a node's mail is listed
	Taken   func(ctx context.Context, node, name string) // nil: none. Called after a node has deleted its mail
	// Healthy says whether the server can do its work; nil: it always can. What it says is logged, and not told.
	Healthy func(ctx context.Context) error
	// Join answers a node that is not known yet; remote is its address without the port. nil: 404.
	Join func(ctx context.Context, remote string, body []byte) ([]byte, error)

	Log     *slog.Logger         // nil: none
	Metrics *prometheus.Registry // nil: none

	MaxFile      int64            // bytes; 0: 64 GiB
	MaxRequests  int              // at the same time; 0: 256
	StallTimeout time.Duration    // without a byte in or out; 0: 60 s
	MaxPartial   int64            // bytes that a node may keep here, in unfinished uploads and in the Inbox; 0: 2 × MaxFile
	Now          func() time.Time // nil: time.Now
}

// Server is the hub's side, an http.Handler. See [NewServer].
type Server struct {
	o       ServerOptions
	log     *slog.Logger
	start   since
	up      *uploads
	nonces  nonces
	joins   joinLimit
	shares  shares
	slots   chan struct{}
	metrics *metrics
	running sync.WaitGroup
	ctx     context.Context // of what goes on when its client has gone
	cancel  context.CancelFunc
}

// NewServer makes a server. It takes up the unfinished uploads that are in its folder.
func NewServer(o ServerOptions) (*Server, error) {
	if o.Self == "" || o.Node == nil || o.Inbox == nil || o.Outbox == nil || o.Check == nil || o.Uploads == "" {
		return nil, errors.New("web server: Self, Node, Uploads, Inbox, Outbox and Check are needed")
	}
	if o.Prefix = strings.TrimSuffix(o.Prefix, "/"); o.Prefix != "" && !strings.HasPrefix(o.Prefix, "/") {
		return nil, fmt.Errorf("web server: path prefix %q: begin it with /", o.Prefix)
	}
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
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	up, err := openUploads(o.Uploads)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, log: o.Log, start: since{at: o.Now().Round(0)}, up: up, metrics: m, slots: make(chan struct{}, o.MaxRequests)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.up.sweep()
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Done()
	c := &call{ResponseWriter: w, r: r, rc: http.NewResponseController(w), stall: s.o.StallTimeout, begun: time.Now(),
		proxied: s.o.Proxied || proxied(r)}
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
		s.log.Info("request", "route", c.route, "method", r.Method, "node", c.node, "remote", remote(r), "status", c.status,
			"in", c.in, "out", c.out, "took", time.Since(c.begun).Round(time.Millisecond), "problem", c.problem)
	}()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		c.route = "other"
		c.fail(problem(http.StatusServiceUnavailable, "busy", "too many requests at once: try again soon"))
		return
	}
	if err := s.handle(c); err != nil {
		if gone := r.Context().Err(); gone != nil && errors.Is(err, gone) { // nothing is wrong here
			err = problem(http.StatusRequestTimeout, "gone", "the client did not wait for its answer")
		}
		if p := asProblem(err); p.Status == http.StatusInternalServerError {
			s.log.Error("request", "route", c.route, "node", c.node, "error", err)
		}
		c.fail(err)
	}
}

// handle finds out what the request wants, and who sends it.
func (s *Server) handle(c *call) error {
	path, parts, err := s.split(c.r)
	if err != nil {
		c.route = "other"
		return err
	}
	type route struct {
		name    string
		methods map[string]func(c *call) error
	}
	var to route
	last := parts[len(parts)-1]
	named := func(f func(c *call, name string) error) func(c *call) error {
		return func(c *call) error { return f(c, last) }
	}
	signed := true
	switch {
	case len(parts) == 1 && parts[0] == "health":
		to, signed = route{"health", map[string]func(c *call) error{"GET": s.health, "HEAD": s.health}}, false
	case len(parts) == 1 && parts[0] == "join" && s.o.Join != nil:
		to, signed = route{"join", map[string]func(c *call) error{"POST": s.join}}, false
	case len(parts) == 1 && parts[0] == "mail":
		to = route{"mail", map[string]func(c *call) error{"GET": s.listMail}}
	case len(parts) == 2 && parts[0] == "mail":
		get := named(s.getMail)
		to = route{"file", map[string]func(c *call) error{"GET": get, "HEAD": get, "DELETE": named(s.takeMail)}}
	case len(parts) == 1 && parts[0] == "uploads":
		to = route{"uploads", map[string]func(c *call) error{"POST": s.create, "OPTIONS": s.options}}
		signed = c.r.Method != http.MethodOptions
	case len(parts) == 2 && parts[0] == "uploads":
		to = route{"upload", map[string]func(c *call) error{"HEAD": named(s.offset), "PATCH": named(s.patch)}}
	default:
		c.route = "other"
		return problem(http.StatusNotFound, "missing", "there is nothing at this address: it is no part of omsync's interface")
	}
	c.route = to.name
	do, ok := to.methods[c.r.Method]
	if !ok {
		var allow []string
		for m := range to.methods {
			allow = append(allow, m)
		}
		c.Header().Set("Allow", strings.Join(allow, ", "))
		return problem(http.StatusMethodNotAllowed, "method", "method %s is not for this address", printableMethod(c.r.Method))
	}
	if c.r.Method != http.MethodPost && c.r.Method != http.MethodPatch && c.r.ContentLength != 0 {
		return problem(http.StatusBadRequest, "request", "%s has no body", c.r.Method)
	}
	if signed {
		if err := s.authenticate(c, path); err != nil {
			return err
		}
		leave, err := s.share(c.node)
		if err != nil {
			return err
		}
		defer leave()
	}
	return do(c)
}

func printableMethod(m string) string {
	if len(m) > 16 {
		m = m[:16]
	}
	return m
}

// split takes the path after /v1/ apart. Whatever is not plainly a name, encoded or not, is refused. path is the whole of
// it as the client sees it.
func (s *Server) split(r *http.Request) (path string, parts []string, err error) {
	path = r.URL.EscapedPath()
	rest, ok := strings.CutPrefix(path, s.o.Prefix+"/v1/")
	if !ok {
		if rest, ok = strings.CutPrefix(path, "/v1/"); !ok {
			return "", nil, problem(http.StatusNotFound, "missing", "there is nothing at this address: omsync is at %s/v1/", s.o.Prefix)
		}
		path = s.o.Prefix + path
	}
	parts = strings.Split(rest, "/")
	for i, p := range parts {
		plain, err := url.PathUnescape(p)
		if err != nil || plain == "" || plain == "." || plain == ".." || strings.ContainsAny(plain, "/\\\x00") {
			return "", nil, problem(http.StatusBadRequest, "name", "this is no name of a file")
		}
		parts[i] = plain
	}
	return path, parts, nil
}

// authenticate finds the node that signed the request, or says why it was not done by one.
func (s *Server) authenticate(c *call, path string) error {
	r := c.r
	sig, err := parseSignature(r.Header)
	if err != nil {
		return problem(http.StatusUnauthorized, "signature", "%v", err)
	}
	if to := r.Header.Get(headerTo); to != s.o.Self {
		return problem(http.StatusMisdirectedRequest, "peer",
			"this is %s, and the request is for another node: check the address of the hub", s.o.Self)
	}
	if nodename.Check(sig.keyID) != nil {
		return problem(http.StatusUnauthorized, "unknown", "%q is no name of a node", sig.keyID)
	}
	verify, err := s.o.Node(r.Context(), sig.keyID)
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p
	} else if gone := r.Context().Err(); err != nil && gone != nil {
		return gone
	} else if err != nil || verify == nil {
		s.log.Error("look up node", "node", sig.keyID, "error", err)
		return problem(http.StatusServiceUnavailable, "busy", "the server cannot look up nodes now: try again later")
	}
	m := message{r.Method, path, r.URL.RawQuery, r.Host, r.ContentLength, r.Header}
	if err := sig.verify(m, verify); err != nil {
		return problem(http.StatusUnauthorized, "signature", "the signature of %s is not good: %v", sig.keyID, err)
	}
	c.node = sig.keyID
	// Times in signatures are whole seconds.
	now := s.o.Now()
	if d := now.Sub(sig.created); d > clockSlack || d < -clockSlack || sig.created.Before(s.start.by(now).Truncate(time.Second)) {
		return problem(http.StatusUnauthorized, "clock",
			"the clock of %s differs from that of %s, where it is %s: set it", sig.keyID, s.o.Self, now.UTC().Format(time.RFC3339))
	}
	switch fresh, many := s.nonces.use(sig.keyID, sig.nonce, now); {
	case many:
		return problem(http.StatusServiceUnavailable, "busy", "%s sends too many requests: try again in some minutes", sig.keyID)
	case !fresh:
		return problem(http.StatusUnauthorized, "replay", "this request was sent before")
	}
	if r.ContentLength < 0 {
		return problem(http.StatusLengthRequired, "request", "the request does not tell its length")
	}
	return nil
}

func (s *Server) health(c *call) error {
	if s.o.Healthy != nil {
		if err := s.o.Healthy(c.r.Context()); err != nil {
			s.log.Warn("not healthy", "error", err.Error())
			return problem(http.StatusServiceUnavailable, "unhealthy", "%s cannot do its work now: its log says why", s.o.Self)
		}
	}
	return c.json(http.StatusOK, map[string]string{"status": "ok", "node": s.o.Self, "version": s.o.Version})
}

// makeDir makes a folder of the server's own.
func makeDir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make folder for uploads: %w", err)
	}
	return nil
}
