package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/tlspin"
	"github.com/omsync/omsync/transport/web/webtest"
)

func TestPins(t *testing.T) {
	h := webtest.NewHub(t, nil)
	dir := t.TempDir()
	cert, pin, err := tlspin.Certificate(dir, []string{"hub.example", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"tls.crt": 0o644, "tls.key": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm()&^mode != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if again, pin2, err := tlspin.Certificate(dir, []string{"other"}); err != nil || pin2 != pin || !again.Leaf.Equal(cert.Leaf) {
		t.Errorf("the second time: %s in place of %s, %v", pin2, pin, err)
	}
	os.Remove(filepath.Join(dir, "tls.crt"))
	if again, pin2, err := tlspin.Certificate(dir, []string{"other"}); err != nil || pin2 != pin || again.Leaf.DNSNames[0] != "other" {
		t.Errorf("made anew: %s in place of %s, %v", pin2, pin, err)
	}
	addr, _ := h.Serve(&tls.Config{Certificates: []tls.Certificate{cert}})
	_, other, err := tlspin.Certificate(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}

	c := h.Client("kisumu", func(o *client.Options) { o.URL, o.Pin = "https://"+addr, pin })
	webtest.Put(t, c, "a.omsync", webtest.Content(1, 300_000))
	if c.ServerPin() != pin {
		t.Errorf("the server's pin is %q, not %q", c.ServerPin(), pin)
	}
	for name, with := range map[string]struct{ pin, says string }{
		"wrong pin": {other, "invitation"},
		"no pin":    {"", "new invitation"},
	} {
		c := h.Client("kisumu", func(o *client.Options) { o.URL, o.Pin = "https://"+addr, with.pin })
		_, err := c.List(t.Context())
		if err == nil || errors.Is(err, transport.ErrDown) || !strings.Contains(err.Error(), with.says) {
			t.Errorf("%s: %v", name, err)
		}
		if c.ServerPin() != pin {
			t.Errorf("%s: the server's pin is %q", name, c.ServerPin())
		}
	}
	for _, bad := range []string{"x", "sha256:", "sha256:AAAA", strings.TrimPrefix(pin, "sha256:"), pin + "A"} {
		if _, err := client.New(client.Options{URL: "https://hub", Pin: bad}); err == nil {
			t.Errorf("pin %q is taken", bad)
		}
	}
	plain, _ := h.Serve(nil)
	c = h.Client("kisumu", func(o *client.Options) { o.URL, o.Pin = "https://"+plain, pin })
	if _, err := c.List(t.Context()); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("a server without TLS: %v", err)
	}
}

// Certificates that this computer trusts, but that are not good here.
func TestCertificatesInPeoplesWords(t *testing.T) {
	h := webtest.NewHub(t, nil)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	now := time.Now()
	for name, test := range map[string]struct {
		host     string
		from, to time.Time
		says     []string
	}{
		"good":    {"127.0.0.1", now.Add(-time.Hour), now.Add(time.Hour), nil},
		"name":    {"10.9.9.9", now.Add(-time.Hour), now.Add(time.Hour), []string{"not for 127.0.0.1", "10.9.9.9"}},
		"expired": {"127.0.0.1", now.Add(-2 * time.Hour), now.Add(-time.Hour), []string{"expired", "this computer's time is " + now.Format("2006-01-02")}},
		"early":   {"127.0.0.1", now.Add(time.Hour), now.Add(2 * time.Hour), []string{"not valid yet", "set it"}},
	} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: test.from, NotAfter: test.to, IPAddresses: []net.IP{net.ParseIP(test.host)},
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, _ := x509.ParseCertificate(der)
		pool := x509.NewCertPool()
		pool.AddCert(leaf)
		addr, stop := h.Serve(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
		c := h.Client("kisumu", func(o *client.Options) { o.URL = "https://" + addr })
		c.HTTPTransport().TLSClientConfig.RootCAs = pool
		_, err = c.List(t.Context())
		if (err == nil) != (test.says == nil) || errors.Is(err, transport.ErrDown) {
			t.Errorf("%s: %v", name, err)
		}
		for _, s := range test.says {
			if err == nil || !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v does not say %q", name, err, s)
			}
		}
		c.Close()
		stop()
		h.Restart()
	}
}
