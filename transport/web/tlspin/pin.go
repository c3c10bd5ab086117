package tlspin

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

const prefix = "sha256:"

// Of returns the pin of a certificate, which names its key: "sha256:" and the base64url, without padding, of the SHA-256 of
// its SubjectPublicKeyInfo (the value that RFC 7469 pins, in another alphabet). A new certificate of the same key has the same.
func Of(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return prefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// Check returns why a text is not a pin; nil: it is one.
func Check(pin string) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(pin, prefix))
	if err != nil || len(raw) != sha256.Size || !strings.HasPrefix(pin, prefix) {
		return fmt.Errorf("pin %q: it is sha256: and 43 letters, digits, dashes and underscores", pin)
	}
	return nil
}

// wrongPin is the error of a server that shows another key than it should.
type wrongPin struct{ got, want string }

func (e *wrongPin) Error() string {
	return fmt.Sprintf("the server shows another key (%s) than the invitation says (%s): somebody is in between, or the hub has "+
		"a new one; ask the hub's people for a new invitation", e.got, e.want)
}

// ClientConfig returns a configuration that trusts the key with the pin, whatever names and dates are on its certificate;
// without a pin, what this computer trusts. seen is told the pin of every certificate that is shown.
func ClientConfig(pin string, seen func(pin string)) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: pin != "", // VerifyConnection does it
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 {
				return errors.New("the server shows no certificate")
			}
			got := Of(cs.PeerCertificates[0])
			seen(got)
			if pin != "" && subtle.ConstantTimeCompare([]byte(got), []byte(pin)) != 1 {
				return &wrongPin{got, pin}
			}
			return nil
		},
	}
}

// Explain says in people's words why a server is not trusted; nil: the error is about something else.
func Explain(err error, host string, now time.Time) error {
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
