package hub

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/pace"
	"github.com/omsync/omsync/transport"
	webserver "github.com/omsync/omsync/transport/web/server"
)

// Options say who serves, and how.
type Options struct {
	Node   *node.Node   // loaded, without its lock
	Config config.Serve // with all that is needed in it, its own and the command line's
	// Open opens the node for the worker, which has connections of its own and opens the node anew now and then.
	Open    func(context.Context) (*node.Node, error)
	Version string // of this program, for who asks
	Log     *slog.Logger
}

// server is a node that serves.
type server struct {
	node     *node.Node
	config   config.Serve
	version  string
	log      *slog.Logger
	lockWait time.Duration // for the node's lock
}

// connections are the most that the server has to its database at once, beside the worker's.
const connections = 16

// Serve serves until the context ends, which is no error.
func Serve(ctx context.Context, o Options) error {
	s := &server{node: o.Node, config: o.Config, version: o.Version, log: o.Log, lockWait: node.ServerWait}
	s.node.DB.SetMaxOpenConns(connections)
	if err := s.node.CheckPlace(ctx); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.config.Listen)
	if err != nil {
		return failure.Hinted(fmt.Errorf("listen on %s: %w", s.config.Listen, err), "is another server running there? --listen picks another address")
	}
	defer listener.Close()
	tlsConfig, err := s.tls()
	if err != nil {
		return err
	}
	if tlsConfig == nil && !isLoopback(listener.Addr()) {
		s.log.Warn("without TLS, on an address that others reach: is the reverse proxy on this machine? then --listen 127.0.0.1:PORT")
	}
	inbox, err := exchange.Inbox(s.node.Home)
	if err != nil {
		return err
	}
	defer inbox.Close()
	options, registry, err := s.options(inbox)
	if err != nil {
		return err
	}
	var work *worker
	if s.config.Import {
		work = newWorker(s.node.Home, o.Open, s.log)
		options.Arrived, options.Listing = work.arrived, work.listing
	}
	handler, err := webserver.New(options)
	if err != nil {
		return err
	}
	if s.config.Metrics != "" {
		if err := s.metrics(ctx, registry); err != nil {
			return err
		}
	}
	if work != nil {
		working, stop := context.WithCancel(ctx)
		work.exported = handler.Wake
		done := work.start(working)
		go (&watcher{work, s.node, handler.Waiting, pace.Probe}).watch(working)
		defer func() {
			stop() // the server may have ended by itself
			<-done
		}()
	}
	return s.listen(ctx, handler, listener, tlsConfig)
}

// listen answers requests until the context ends.
func (s *server) listen(ctx context.Context, handler *webserver.Server, listener net.Listener, tlsConfig *tls.Config) error {
	s.log.Info("listening", "node", s.node.Node, "address", listener.Addr().String(), "tls", tlsConfig != nil, "import", s.config.Import,
		"auto_register", s.config.AutoRegister)
	err := handler.Serve(ctx, listener, tlsConfig)
	s.log.Info("stopped")
	if ctx.Err() != nil { // asked to stop: a graceful end is success for systemd
		return nil
	}
	return err
}

func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// options tell the HTTP server who may do what.
func (s *server) options(inbox *transport.Folder) (webserver.Options, *prometheus.Registry, error) {
	var maxFile int64
	if s.config.MaxFile != "" {
		var err error
		if maxFile, err = config.ParseBytes(s.config.MaxFile); err != nil {
			return webserver.Options{}, nil, err
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.going(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return webserver.Options{
		Self: s.node.Node, Version: s.version, Proxied: s.config.BehindProxy, Prefix: prefix(&s.config), Node: s.caller,
		Uploads: filepath.Join(s.node.Home, "uploads"), Inbox: inbox,
		Outbox: func(name string) (*transport.Folder, error) { return exchange.Outbox(s.node.Home, name) },
		Check:  s.checkBatch,
		Mine:   func(sender, name string) bool { return exchange.MadeBy(name, sender, s.node.Node) },
		Search: s.search,
		Join:   s.join, Healthy: s.node.DB.PingContext, Log: s.log, Metrics: registry, MaxFile: maxFile,
	}, registry, nil
}

// metrics serves Prometheus until the context ends.
func (s *server) metrics(ctx context.Context, registry *prometheus.Registry) error {
	l, err := net.Listen("tcp", s.config.Metrics)
	if err != nil {
		return fmt.Errorf("listen for metrics on %s: %w", s.config.Metrics, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	context.AfterFunc(ctx, func() { h.Close() })
	go h.Serve(l)
	s.log.Info("metrics", "address", l.Addr().String())
	return nil
}
