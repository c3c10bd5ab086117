package tlspin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/omsync/omsync/internal/durable"
)

const (
	certFile   = "tls.crt"
	keyFile    = "tls.key"
	certYears  = 20
	serialBits = 128
)

// Certificate returns the node's own certificate, and its pin, from tls.crt and tls.key in a folder. The first call makes
// them, for hosts (names and addresses): ECDSA P-256, self-signed, for 20 years. Put others of the same names in their place to
// use those. The key makes the pin: tls.crt may be removed, to be made anew for other hosts.
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
	return cert, Of(cert.Leaf), nil
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
	return text, durable.SyncDir(dir)
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
	return text, durable.SyncDir(dir)
}

// writeTemp writes a file under a name of no other: several may make the same certificate at once.
func writeTemp(dir string, text []byte, mode fs.FileMode) (path string, err error) {
	path = filepath.Join(dir, ".tls-"+rand.Text()+".new")
	return path, durable.Create(path, text, mode)
}
