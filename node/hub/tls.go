package hub

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/transport/web/tlspin"
)

// hosts are the names for the server's own certificate. Nodes that joined by an invitation compare its key only.
func hosts(c *config.Serve) []string {
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
func prefix(c *config.Serve) string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return ""
	}
	return u.Path
}

// Certificate returns the certificate of a node's own server, made if need be, with its pin.
func Certificate(home string, c *config.Serve) (tls.Certificate, string, error) {
	dir := filepath.Join(home, "tls")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return tls.Certificate{}, "", err
	}
	return tlspin.Certificate(dir, hosts(c))
}

// TLS returns the certificate of a node's server, or its page, as configured; nil behind a proxy. A configured one is read anew at each
// connection, since it is renewed. pin is that of the certificate that the node made itself; "" of another.
func TLS(n *config.Config, c *config.Serve) (out *tls.Config, pin string, err error) {
	if c.BehindProxy {
		return nil, "", nil
	}
	if c.TLSCert == "" {
		cert, pin, err := Certificate(n.Home, c)
		if err != nil {
			return nil, "", err
		}
		return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, pin, nil
	}
	load := func() (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(n.Path(c.TLSCert), n.Path(c.TLSKey))
		return &cert, err
	}
	last, err := load()
	if err != nil {
		return nil, "", fmt.Errorf("read the certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if c, err := load(); err == nil { // half-way through a renewal the last one goes on
			return c, nil
		}
		return last, nil
	}}, "", nil
}

// tls is the server's certificate; nil behind a proxy.
func (s *server) tls() (*tls.Config, error) {
	c, pin, err := TLS(s.node.Config, &s.config)
	if pin != "" {
		s.log.Info("own certificate", "pin", pin)
	}
	return c, err
}
