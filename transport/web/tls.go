package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/omsync/omsync/transport"
)

const (
	certFile   = "tls.crt"
	keyFile    = "tls.key"
	pinPrefix  = "sha256:"
	certYears  = 20
	serialBits = 128
)

// Pin names a certificate's key: "sha256:" and the base64url, without padding, of the SHA-256 of its
// SubjectPublicKeyInfo (the value that RFC 7469 pins, in another alphabet). A new certificate of the same key has the same.
func Pin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return pinPrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

func checkPin(pin string) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(pin, pinPrefix))
	if err != nil || len(raw) != sha256.Size || !strings.HasPrefix(pin, pinPrefix) {
		return fmt.Errorf("pin %q: it is sha256: and 43 letters, digits, dashes and underscores", pin)
	}
	return nil
}

// Certificate is the node's own certificate, from tls.crt and tls.key in a folder. The first call makes them, for hosts
// (names and addresses): ECDSA P-256, self-signed, for 20 years. Put others of the same names in their place to use those.
// The key makes the pin: tls.crt may be removed, to be made anew for other hosts.
func Certificate(dir string, hosts []string) (cert tls.Certificate, pin string, err error) {
	keyPath, certPath := filepath.Join(dir, keyFile), filepath.Join(dir, certFile)
	keyPEM, err := os.ReadFile(keyPath)
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := os.Stat(certPath); e == nil { // another run may have made both meanwhile, the key first
			if keyPEM, err = os.ReadFile(keyPath); errors.Is(err, fs.ErrNotExist) {
				return cert, "", fmt.Errorf("%s is there without %s: put the key back, or remove the certificate too", certPath, keyFile)
			}
		} else {
			keyPEM, err = makeKey(dir, keyPath)
		}
	}
	if err != nil {
		return cert, "", fmt.Errorf("certificate: %w", err)
	}
	certPEM, err := os.ReadFile(certPath)
	if errors.Is(err, fs.ErrNotExist) {
		certPEM, err = makeCertificate(dir, certPath, keyPEM, hosts)
	}
	if err != nil {
		return cert, "", fmt.Errorf("certificate: %w", err)
	}
	if cert, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return cert, "", fmt.Errorf("certificate %s: %w", certPath, err)
	}
	return cert, Pin(cert.Leaf), nil
}

// makeKey makes a key, or takes the one that another run made first.
func makeKey(dir, path string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	temp, err := writeTemp(dir, text, 0o600)
	if err != nil {
		return nil, err
	}
	defer os.Remove(temp)
	switch err := os.Link(temp, path); {
	case errors.Is(err, fs.ErrExist):
		return os.ReadFile(path)
	case err != nil: // no links here
		if err := os.Rename(temp, path); err != nil {
			return nil, err
		}
	}
	return text, transport.SyncDir(dir)
}

func makeCertificate(dir, path string, keyPEM []byte, hosts []string) ([]byte, error) {
	pair, _ := pem.Decode(keyPEM)
	if pair == nil {
		return nil, fmt.Errorf("%s holds no key", keyFile)
	}
	key, err := x509.ParsePKCS8PrivateKey(pair.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s was not made by omsync: put its certificate beside it", keyFile)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits-1))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "omsync"},
		NotBefore:             time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), // this computer's clock may be wrong too
		NotAfter:              time.Now().AddDate(certYears, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if h != "" {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, signer.Public(), signer)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	temp, err := writeTemp(dir, text, 0o644)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return nil, err
	}
	return text, transport.SyncDir(dir)
}

// writeTemp writes a file under a name of no other.
func writeTemp(dir string, text []byte, mode fs.FileMode) (string, error) {
	path := filepath.Join(dir, ".tls-"+rand.Text()+".new")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if e := transport.Synced(f.Sync()); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(path)
		return "", err
	}
	return path, nil
}

// wrongPin is a server that shows another key than it should.
type wrongPin struct{ got, want string }

func (e *wrongPin) Error() string {
	return fmt.Sprintf("the server shows another key (%s) than the invitation says (%s): somebody is in between, or the hub has "+
		"a new one; ask the hub's people for a new invitation", e.got, e.want)
}

// tlsConfig trusts the key with the pin, whatever names and dates are on it; without a pin, what this computer trusts.
// seen is told the pin of every certificate that is shown.
func tlsConfig(pin string, seen func(pin string)) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: pin != "", // VerifyConnection does it
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 {
				return errors.New("the server shows no certificate")
			}
			got := Pin(cs.PeerCertificates[0])
			seen(got)
			if pin != "" && subtle.ConstantTimeCompare([]byte(got), []byte(pin)) != 1 {
				return &wrongPin{got, pin}
			}
			return nil
		},
	}
}

// explainTLS says in people's words why a server is not trusted; nil: it is about something else.
func explainTLS(err error, host string, now time.Time) error {
	var pin *wrongPin
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var bad x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &pin):
		return pin
	case errors.As(err, &unknown):
		return fmt.Errorf("this computer does not know who made the certificate of %s: if it is the hub's own, ask its people for a "+
			"new invitation; if a proxy has it, install its authority's certificate here (%w)", host, err)
	case errors.As(err, &name):
		return fmt.Errorf("the certificate is not for %s: use a name that is on it, or ask the hub's people for a new invitation "+
			"(%w)", host, err)
	case errors.As(err, &bad) && bad.Reason == x509.Expired:
		what := "has expired: the hub's people have to renew it"
		if bad.Cert != nil && now.Before(bad.Cert.NotBefore) {
			what = "is not valid yet"
		}
		return fmt.Errorf("the certificate of %s %s; this computer's time is %s: if that is wrong, set it (%w)", host, what,
			now.Format("2006-01-02 15:04 -0700"), err)
	case errors.As(err, &record), err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%s does not speak TLS: is the port right? (%w)", host, err)
	}
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) {
		return fmt.Errorf("the certificate of %s is not good (%w)", host, err)
	}
	return nil
}
