package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/enrol"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
	webserver "github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/tlspin"
)

// serveConfig is [serve] of omsync.toml; flags of the command come before it.
type serveConfig struct {
	Listen       string `toml:"listen"`
	URL          string `toml:"url"`
	Import       bool   `toml:"import"`
	AutoRegister bool   `toml:"auto_register"`
	BehindProxy  bool   `toml:"behind_proxy"`
	TLSCert      string `toml:"tls_cert"`
	TLSKey       string `toml:"tls_key"`
	Metrics      string `toml:"metrics"`
	MaxFile      string `toml:"max_file"`
	LogFormat    string `toml:"log_format"`
}

// defaultListen is where a server listens if nobody says otherwise.
const defaultListen = ":8443"

func (c *serveConfig) check() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("serve: tls_cert and tls_key belong together")
	case c.BehindProxy && c.TLSCert != "":
		return errors.New("serve: behind_proxy is for a server without TLS of its own: take out tls_cert and tls_key")
	case c.LogFormat != "" && c.LogFormat != "text" && c.LogFormat != "json":
		return fmt.Errorf("serve: log_format %q: use text or json", c.LogFormat)
	}
	if c.MaxFile != "" {
		if _, err := parseBytes(c.MaxFile); err != nil {
			return fmt.Errorf("serve: max_file: %w", err)
		}
	}
	if c.URL != "" {
		if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return fmt.Errorf("serve: url %q: write it like https://hub.example.org:8443", c.URL)
		}
	}
	return nil
}

// ownCertificate says whether the server shows the certificate that it makes itself.
func (c *serveConfig) ownCertificate() bool { return c.TLSCert == "" && !c.BehindProxy }

// hosts are the names for the server's own certificate. Nodes that joined by an invitation compare its key only.
func (c *serveConfig) hosts() []string {
	hosts := []string{"localhost"}
	if u, err := url.Parse(c.URL); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	return hosts
}

// prefix is the path at which a proxy shows the server.
func (c *serveConfig) prefix() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return ""
	}
	return u.Path
}

// certificate is the server's own, made if need be, with its pin.
func (c *config) certificate(s *serveConfig) (tls.Certificate, string, error) {
	dir := filepath.Join(c.home, "tls")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return tls.Certificate{}, "", err
	}
	return tlspin.Certificate(dir, s.hosts())
}

func newServe(g *global) *cobra.Command {
	o := &serveConfig{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Be the server that other nodes send to and fetch from",
		Long: `Be the server to which other nodes send files and from which they fetch theirs. Nodes sign their requests with their keys;
each sees only its own mail; what arrives is checked before it is kept, and goes into the inbox.

With --import it is applied at once, and the answer brings the acknowledgement and what the node lacks. Without, the inbox is
emptied by "omsync import", and "omsync export" fills the outbox, from cron.

The server uses a certificate of its own, made at the first start: invitations tell nodes which. Or the one that is
configured; or none behind a reverse proxy (--behind-proxy), which then has one. All flags can stand in [serve] of
omsync.toml, where "omsync invite" reads them too. The log goes to stderr, for systemd's journal.`,
		Example: `  omsync --home /var/lib/omsync serve --listen :8443 --import`,
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "", "address and port (default "+defaultListen+")")
	f.StringVar(&o.URL, "url", "", "the address at which nodes find this server, where it differs: https://hub.example.org/omsync")
	f.BoolVar(&o.Import, "import", false, "apply what arrives at once, and export to a node when it asks")
	f.BoolVar(&o.AutoRegister, "auto-register", false, "let every node join, without an invitation: for trials only")
	f.BoolVar(&o.BehindProxy, "behind-proxy", false, "no TLS: a reverse proxy on this machine has it")
	f.StringVar(&o.TLSCert, "tls-cert", "", "certificate chain (PEM) in place of an own one")
	f.StringVar(&o.TLSKey, "tls-key", "", "its key (PEM)")
	f.StringVar(&o.Metrics, "metrics", "", "address for Prometheus metrics, such as 127.0.0.1:9464 (default: none)")
	f.StringVar(&o.MaxFile, "max-file", "", "largest file that is taken (default 64GiB)")
	f.StringVar(&o.LogFormat, "log-format", "", "text or json (default text)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runServe(cmd, g, o) }
	return cmd
}

// settings puts the flags that were given over the configuration.
func (o *serveConfig) settings(cmd *cobra.Command, n *node) (serveConfig, error) {
	c := n.Serve
	for flag, set := range map[string]func(){
		"listen": func() { c.Listen = o.Listen }, "url": func() { c.URL = o.URL }, "import": func() { c.Import = o.Import },
		"auto-register": func() { c.AutoRegister = o.AutoRegister }, "behind-proxy": func() { c.BehindProxy = o.BehindProxy },
		"tls-cert": func() { c.TLSCert = o.TLSCert }, "tls-key": func() { c.TLSKey = o.TLSKey }, "metrics": func() { c.Metrics = o.Metrics },
		"max-file": func() { c.MaxFile = o.MaxFile }, "log-format": func() { c.LogFormat = o.LogFormat },
	} {
		if cmd.Flags().Changed(flag) {
			set()
		}
	}
	if c.Listen == "" {
		c.Listen = defaultListen
	}
	return c, c.check()
}

// server is a node that serves.
type server struct {
	*node // its own pool of connections, no lock
	c     serveConfig
	log   *slog.Logger
	work  *worker       // nil without --import
	wait  time.Duration // for the node's lock
}

func runServe(cmd *cobra.Command, g *global, o *serveConfig) error {
	ctx := cmd.Context()
	n, err := g.openUpgraded(cmd)
	if err != nil {
		return err
	}
	defer n.Close()
	n.db.SetMaxOpenConns(16)
	s := &server{node: n, wait: lockWait}
	if s.c, err = o.settings(cmd, n); err != nil {
		return err
	}
	n.Serve = s.c
	s.log = newLog(cmd.ErrOrStderr(), s.c.LogFormat)
	listener, err := net.Listen("tcp", s.c.Listen)
	if err != nil {
		return hinted(fmt.Errorf("listen on %s: %w", s.c.Listen, err), "is another server running there? --listen picks another address")
	}
	defer listener.Close()
	tlsConfig, err := s.tls()
	if err != nil {
		return err
	}
	if tlsConfig == nil && !isLoopback(listener.Addr()) {
		s.log.Warn("without TLS, on an address that others reach: is the reverse proxy on this machine? then --listen 127.0.0.1:PORT")
	}
	inbox, err := exchange.Inbox(n.home)
	if err != nil {
		return err
	}
	defer inbox.Close()
	options, registry, err := s.options(inbox)
	if err != nil {
		return err
	}
	if s.c.Import {
		s.work = newWorker(g, cmd, s.log)
		options.Arrived, options.Listing = s.work.arrived, s.work.listing
	}
	handler, err := webserver.New(options)
	if err != nil {
		return err
	}
	if s.c.Metrics != "" {
		if err := s.metrics(ctx, registry); err != nil {
			return err
		}
	}
	if s.work != nil {
		done := s.work.start(ctx)
		defer func() { <-done }()
	}
	s.log.Info("listening", "node", n.Node, "address", listener.Addr().String(), "tls", tlsConfig != nil, "import", s.c.Import, "auto_register", s.c.AutoRegister)
	err = handler.Serve(ctx, listener, tlsConfig)
	s.log.Info("stopped")
	if ctx.Err() != nil { // asked to stop: a graceful end is success for systemd
		return nil
	}
	return err
}

func newLog(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// tls is the server's certificate; nil behind a proxy. A configured one is read anew at each connection, since it is renewed.
func (s *server) tls() (*tls.Config, error) {
	if s.c.BehindProxy {
		return nil, nil
	}
	if s.c.TLSCert == "" {
		cert, pin, err := s.certificate(&s.c)
		if err != nil {
			return nil, err
		}
		s.log.Info("own certificate", "pin", pin)
		return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
	}
	load := func() (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(s.path(s.c.TLSCert), s.path(s.c.TLSKey))
		return &cert, err
	}
	last, err := load()
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if c, err := load(); err == nil { // half-way through a renewal the last one goes on
			return c, nil
		}
		return last, nil
	}}, nil
}

// options tell the web server who may do what.
func (s *server) options(inbox *transport.Folder) (webserver.Options, *prometheus.Registry, error) {
	var maxFile int64
	if s.c.MaxFile != "" {
		var err error
		if maxFile, err = parseBytes(s.c.MaxFile); err != nil {
			return webserver.Options{}, nil, err
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return webserver.Options{
		Self: s.Node, Version: version(), Proxied: s.c.BehindProxy, Prefix: s.c.prefix(), Node: s.caller,
		Uploads: filepath.Join(s.home, "uploads"), Inbox: inbox,
		Outbox: func(node string) (*transport.Folder, error) { return exchange.Outbox(s.home, node) },
		Check:  s.checkBatch,
		Mine:   func(node, name string) bool { return exchange.MadeBy(name, node, s.Node) },
		Join:   s.join, Healthy: s.db.PingContext, Log: s.log, Metrics: registry, MaxFile: maxFile,
	}, registry, nil
}

// caller finds the key of a node that calls.
func (s *server) caller(ctx context.Context, name string) (func(msg, sig []byte) error, error) {
	p, err := s.peer(ctx, name)
	if err != nil {
		return nil, err
	}
	card, err := keys.ParseCard(p.Card)
	if err != nil {
		return nil, fmt.Errorf("card of %s: %w", name, err)
	}
	return card.VerifySignature, nil
}

// checkBatch verifies a file before it is kept. A database that does not answer is no fault of the file: it can be offered again.
func (s *server) checkBatch(ctx context.Context, node, name string, r io.ReaderAt, size int64) error {
	p, err := s.peer(ctx, node)
	if problem := (*web.Problem)(nil); err != nil && !errors.As(err, &problem) {
		s.log.Error("look up node", "node", node, "error", err.Error())
		return busy("the server cannot look up nodes now: try again later")
	} else if err != nil {
		return err
	}
	if !exchange.MadeBy(name, node, s.Node) {
		return fmt.Errorf("%q is no name of a batch from %s to %s", name, node, s.Node)
	}
	return exchange.Check(r, size, p, s.Node)
}

// busy is a problem that passes.
func busy(detail string) *web.Problem {
	return &web.Problem{Status: http.StatusServiceUnavailable, Type: "busy", Detail: detail}
}

// peer finds an active peer.
func (s *server) peer(ctx context.Context, name string) (*journal.Peer, error) {
	p, err := journal.PeerByName(ctx, s.db, name, false)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, &web.Problem{Status: http.StatusForbidden, Type: "unknown", Detail: fmt.Sprintf("%s does not know a node %.40q: join it first (omsync join), or have its people add this node's card", s.Node, name)}
	case p.State != access.Active:
		return nil, &web.Problem{Status: http.StatusForbidden, Type: "suspended", Detail: fmt.Sprintf("%s has suspended %s: ask its people", s.Node, name)}
	}
	return p, nil
}

// join takes in a node that was invited.
func (s *server) join(ctx context.Context, remote string, body []byte) ([]byte, error) {
	refuse := func(status int, kind string, err error) error {
		s.log.Warn("joining refused", "remote", remote, "reason", err.Error())
		return &web.Problem{Status: status, Type: kind, Detail: err.Error()}
	}
	hub := s.keys.Card()
	j, err := s.redeem(body, hub)
	switch {
	case errors.Is(err, enrol.ErrUnknownToken), errors.Is(err, enrol.ErrExpired), errors.Is(err, enrol.ErrUsed), errors.Is(err, enrol.ErrName):
		return nil, refuse(http.StatusForbidden, "token", err)
	case errors.Is(err, enrol.ErrBadRequest):
		return nil, refuse(http.StatusBadRequest, "request", err)
	case errors.Is(err, errNobody):
		return nil, refuse(http.StatusForbidden, "token", fmt.Errorf("%s %w", s.Node, err))
	case err != nil:
		return nil, err
	}
	if j.Card.Name == s.Node {
		return nil, refuse(http.StatusConflict, "name", fmt.Errorf("the node here is named %s too: two nodes need two names", s.Node))
	}
	// Only now, so that strangers do not hold up this node's commands. Who comes again by the same token finds it good.
	unlock, err := lockWithin(ctx, s.home, s.wait)
	if errors.Is(err, errLocked) {
		return nil, busy(fmt.Sprintf("%s is busy with an import: try again in some minutes", s.Node))
	} else if err != nil {
		return nil, err
	}
	defer unlock()
	known, err := s.mayAdd(ctx, j.Card, j.Role)
	if f := (*failure)(nil); errors.As(err, &f) {
		return nil, refuse(http.StatusConflict, "known", err)
	} else if err != nil {
		return nil, err
	}
	if !known {
		if err := s.addPeer(ctx, j.Card, j.Role); err != nil {
			return nil, err
		}
	}
	s.log.Info("joined", "peer", j.Card.Name, "as", j.Role, "fingerprint", j.Card.Fingerprint(), "again", known, "remote", remote)
	return j.Reply(hub)
}

// errNobody means that only invited nodes may join.
var errNobody = errors.New("takes nobody without an invitation: ask its people for a token")

// redeem checks a request to join.
func (s *server) redeem(body []byte, hub keys.Card) (*enrol.Joining, error) {
	if enrol.IsOpen(body) {
		if !s.c.AutoRegister {
			return nil, errNobody
		}
		return enrol.ReadOpen(body)
	}
	invitations, err := enrol.OpenInvitations(filepath.Join(s.home, "invitations"))
	if err != nil {
		return nil, err
	}
	return invitations.Redeem(body, hub, time.Now())
}

// metrics serves Prometheus until the context ends.
func (s *server) metrics(ctx context.Context, registry *prometheus.Registry) error {
	l, err := net.Listen("tcp", s.c.Metrics)
	if err != nil {
		return fmt.Errorf("listen for metrics on %s: %w", s.c.Metrics, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	context.AfterFunc(ctx, func() { h.Close() })
	go h.Serve(l)
	s.log.Info("metrics", "address", l.Addr().String())
	return nil
}
