package bucket

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"

	"github.com/omsync/omsync/transport"
)

// wrap says what was tried and where, and puts errors into words.
func (s *Store) wrap(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if e := ctx.Err(); e != nil {
		err = e
	} else {
		err = s.explain(err)
	}
	return fmt.Errorf("%s %s: %w", what, s, err)
}

// explain puts what S3 and the way to it say into words, with what to do.
func (s *Store) explain(err error) error {
	var r minio.ErrorResponse
	if !errors.As(err, &r) {
		return networkError(err)
	}
	said := r.Code
	if r.Message != "" {
		said += ": " + r.Message
	}
	var words string
	switch r.Code { // "Error responses" in the Amazon S3 API Reference
	case minio.NoSuchKey:
		return fs.ErrNotExist
	case minio.NoSuchBucket:
		words = "there is no such bucket: make it, or correct the address"
	case minio.AccessDenied, minio.AllAccessDisabled:
		words = "the keys do not allow it: give them rights to list the bucket and to read, write and delete in it"
	case minio.InvalidAccessKeyID:
		words = "the server does not know the access key: correct AWS_ACCESS_KEY_ID or the credentials file"
	case minio.SignatureDoesNotMatch:
		words = "the secret key does not fit the access key: correct AWS_SECRET_ACCESS_KEY or the credentials file"
	case "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired":
		words = "the keys have expired: get new ones"
	case minio.RequestTimeTooSkewed, "RequestExpired":
		words = "the clock of this computer is wrong: set it; the server takes 15 minutes at most"
	case minio.AuthorizationHeaderMalformed, minio.InvalidRegion, "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException":
		words = "the bucket is in another region: correct region= in the address"
		if r.Region != "" {
			words = "the bucket is in another region: write region=" + r.Region + " into the address"
		}
	case minio.EntityTooLarge:
		words = "the server takes no file so large: export in parts"
	case "RequestTimeout", "IncompleteBody", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestThrottled":
		return fmt.Errorf("%w: the request did not come through (%s)", transport.ErrDown, said)
	case "QuotaExceeded", "InsufficientCapacity", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return fmt.Errorf("%w (%s)", transport.ErrFull, said)
	}
	switch {
	case words != "":
		return fmt.Errorf("%s (%s)", words, said)
	case r.StatusCode == http.StatusInsufficientStorage:
		return fmt.Errorf("%w (%s)", transport.ErrFull, said)
	case r.StatusCode >= 500, r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("%w: the server is not well or busy (%s)", transport.ErrDown, said)
	}
	return fmt.Errorf("the server says %s", said)
}

// networkError tells a link that is down from one that will never be up.
func networkError(err error) error {
	var (
		u       *url.Error
		n       net.Error
		signer  x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	if errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the server's certificate is out of date, or the clock of this computer is wrong: look at the clock first (%w)", err)
	case errors.As(err, &signer), errors.As(err, &host), errors.As(err, &invalid):
		return fmt.Errorf("the server's certificate is not one that is trusted here: correct endpoint=, or name its authority in "+
			"SSL_CERT_FILE (%w)", err)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("the server does not speak TLS there: correct endpoint= (%w)", err)
	case u != nil, errors.As(err, &n), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %w", transport.ErrDown, err)
	}
	return err
}
