package config

import (
	"errors"
	"fmt"
	"net/url"
)

// Serve is [serve]: what a hub's server needs. Flags of the command come before it.
type Serve struct {
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

// DefaultListen is where a server listens if nobody says otherwise.
const DefaultListen = ":8443"

// Check returns an error for settings that cannot be meant or do not go together.
func (c *Serve) Check() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("serve: tls_cert and tls_key belong together")
	case c.BehindProxy && c.TLSCert != "":
		return errors.New("serve: behind_proxy is for a server without TLS of its own: take out tls_cert and tls_key")
	case c.LogFormat != "" && c.LogFormat != "text" && c.LogFormat != "json":
		return fmt.Errorf("serve: log_format %q: use text or json", c.LogFormat)
	}
	if c.MaxFile != "" {
		if _, err := ParseBytes(c.MaxFile); err != nil {
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

// OwnCertificate reports whether the server shows the certificate that it makes itself.
func (c *Serve) OwnCertificate() bool { return c.TLSCert == "" && !c.BehindProxy }
