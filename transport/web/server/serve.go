package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/omsync/omsync/transport/web"
)

const (
	headerTime   = 10 * time.Second
	shutdownTime = 10 * time.Second
)

// Serve answers requests until ctx ends or the listener breaks; nil tlsConfig: without TLS. When ctx ends, running requests
// have 10 seconds; those that are cut go on another time. The server is of no more use after it.
func (s *Server) Serve(ctx context.Context, l net.Listener, tlsConfig *tls.Config) error {
	var protocols http.Protocols
	protocols.SetHTTP1(true) // one upload, one connection: a stall is of one of them only
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       web.IdleTime,
		MaxHeaderBytes:    web.MaxHeader,
		Protocols:         &protocols,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if t, ok := c.(*tls.Conn); ok {
				c = t.NetConn()
			}
			if t, ok := c.(*net.TCPConn); ok {
				t.SetWriteBuffer(web.SendBuffer)
			}
			return ctx
		},
	}
	srv.RegisterOnShutdown(s.end)
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		wait, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		srv.Shutdown(wait)
		s.stop()
		srv.Close()
	})
	var err error
	if tlsConfig == nil {
		err = srv.Serve(l)
	} else {
		tlsConfig = tlsConfig.Clone()
		if tlsConfig.MinVersion < tls.VersionTLS12 {
			tlsConfig.MinVersion = tls.VersionTLS12
		}
		srv.TLSConfig = tlsConfig
		err = srv.ServeTLS(l, "", "")
	}
	if stop() { // ctx goes on: the listener broke
		s.stop()
		srv.Close()
	} else {
		<-stopped
	}
	s.running.Wait() // what was cut off is still being saved
	if ctx.Err() != nil && errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
