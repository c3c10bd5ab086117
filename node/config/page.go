package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
)

// Page is [page]: where the page for people is. Flags of the command come before it.
type Page struct {
	Listen      string `toml:"listen"`
	URL         string `toml:"url"`
	BehindProxy bool   `toml:"behind_proxy"`
	TLSCert     string `toml:"tls_cert"`
	TLSKey      string `toml:"tls_key"`
}

// DefaultPageListen is where the page is if nobody says otherwise: on this computer alone.
const DefaultPageListen = "127.0.0.1:8480"

// Check returns an error for settings that cannot be meant or do not go together.
func (c *Page) Check() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("page: tls_cert and tls_key belong together")
	case c.BehindProxy && c.TLSCert != "":
		return errors.New("page: behind_proxy is for a page without TLS of its own: take out tls_cert and tls_key")
	case c.BehindProxy && !c.Local():
		return errors.New("page: behind_proxy is for a reverse proxy on this machine: listen on 127.0.0.1, or else passwords go over the network as they are")
	}
	if _, _, err := net.SplitHostPort(c.Address()); err != nil {
		return fmt.Errorf("page: listen %q: write it like 127.0.0.1:8480", c.Listen)
	}
	if c.URL != "" {
		if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" && u.Path != "/" {
			return fmt.Errorf("page: url %q: write it like https://hub.example.org:8480", c.URL)
		}
	}
	return nil
}

// Address returns where it listens.
func (c *Page) Address() string {
	if c.Listen == "" {
		return DefaultPageListen
	}
	return c.Listen
}

// Local reports whether nobody but this computer reaches it.
func (c *Page) Local() bool {
	host, _, err := net.SplitHostPort(c.Address())
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// Encrypted reports whether it has TLS of its own: everywhere but on this computer alone, and there too if it has a certificate.
func (c *Page) Encrypted() bool { return c.TLSCert != "" || !c.Local() && !c.BehindProxy }

// Base returns the address that people type.
func (c *Page) Base() string {
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err == nil {
			return u.Scheme + "://" + u.Host
		}
	}
	host, port, _ := net.SplitHostPort(c.Address())
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http"
	if c.Encrypted() {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// Serve returns the settings as those of a server, of which the certificate is the same.
func (c *Page) Serve() *Serve {
	return &Serve{Listen: c.Address(), URL: c.URL, BehindProxy: c.BehindProxy, TLSCert: c.TLSCert, TLSKey: c.TLSKey}
}
