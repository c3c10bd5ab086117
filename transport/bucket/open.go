package bucket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/omsync/omsync/transport"
)

// minPart is the smallest part but the last that S3 takes, in bytes, and maxParts how many it takes ("Amazon S3 multipart
// upload limits" in the S3 User Guide).
const (
	minPart  = 5 << 20
	maxParts = 10_000
)

// tries is how often a request is made, within a few seconds, before a link counts as down.
const tries = 5

// Options are what does not belong into an address.
type Options struct {
	// Keys. Without AccessKey they are looked for, in this order, in the environment as AWS_ACCESS_KEY_ID,
	// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, there as MINIO_ROOT_USER and MINIO_ROOT_PASSWORD, and in the file
	// ~/.aws/credentials (AWS_SHARED_CREDENTIALS_FILE), profile "default" (AWS_PROFILE).
	AccessKey, SecretKey, SessionToken string

	// Transport makes the HTTP requests. nil: one that uses the environment's proxy and the system's certificates, and
	// those in the file that SSL_CERT_FILE names.
	Transport http.RoundTripper

	// PartSize is how many bytes go in one request: what is lost when the link breaks. 0 means 5 MiB, the least that S3
	// takes; files above 10,000 parts are sent in larger ones.
	PartSize uint64
}

// Store is a bucket, or what is in it under a prefix.
type Store struct {
	core      minio.Core
	once      minio.Core // tries only once: for requests with a body, see put.send
	bucket    string
	prefix    string // empty, or ends in a slash
	name      string
	part      int64
	transport http.RoundTripper
}

var _ transport.Store = (*Store)(nil)

// Open reads the address of a bucket,
//
//	s3://BUCKET[/PREFIX]?endpoint=https://HOST[:PORT]&region=REGION
//
// and finds its keys. Without endpoint it is Amazon's; without region the server is asked. An endpoint with http:// is
// taken if it is on this machine, or with insecure=1: who listens then sees the names of the files, and can meddle with what
// is sent; batches and the secret key stay secret. Buckets of Amazon are named in the host, of other servers in the path.
//
// Nothing is sent: whether the bucket is there shows at the first call.
func Open(ctx context.Context, u string, o Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, err := parse(u)
	if err != nil {
		return nil, fmt.Errorf("address of a bucket: %w", err)
	}
	s := &Store{bucket: a.bucket, prefix: a.prefix, name: "s3://" + a.bucket, part: minPart, transport: o.Transport}
	if a.prefix != "" {
		s.name += "/" + strings.TrimSuffix(a.prefix, "/")
	}
	s.name += " at " + a.host
	if o.PartSize != 0 {
		if o.PartSize < minPart || o.PartSize > 5<<30 {
			return nil, fmt.Errorf("%s: part size of %d bytes: S3 takes 5 MiB to 5 GiB", s.name, o.PartSize)
		}
		s.part = int64(o.PartSize)
	}
	creds := credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken)
	if o.AccessKey == "" {
		creds = credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.EnvMinio{}, &credentials.FileAWSCredentials{},
		})
	}
	if v, err := creds.GetWithContext(nil); err != nil {
		return nil, fmt.Errorf("%s: keys: %w", s.name, err)
	} else if v.SignerType.IsAnonymous() || v.AccessKeyID == "" || v.SecretAccessKey == "" {
		return nil, fmt.Errorf("%s: no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials", s.name)
	}
	if s.transport == nil {
		if s.transport, err = minio.DefaultTransport(a.secure); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for core, tries := range map[*minio.Core]int{&s.core: tries, &s.once: 1} {
		c, err := minio.NewCore(a.host, &minio.Options{
			Creds: creds, Secure: a.secure, Region: a.region, Transport: s.transport, MaxRetries: tries,
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		c.SetAppInfo("omsync", "1")
		*core = *c
	}
	return s, nil
}

// String returns the bucket, the prefix and the server.
func (s *Store) String() string { return s.name }

// Close ends idle connections.
func (s *Store) Close() error {
	if t, ok := s.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return nil
}

type address struct {
	bucket, prefix, host, region string
	secure                       bool
}

// parse reads an address. Its errors do not repeat it: people write keys into addresses.
func parse(text string) (address, error) {
	a := address{host: "s3.amazonaws.com", secure: true}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Opaque != "" || u.Fragment != "" {
		return a, errors.New("write s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION")
	}
	if u.User != nil {
		return a, errors.New("keys do not belong into it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	a.bucket = u.Host
	if err := s3utils.CheckValidBucketNameStrict(a.bucket); err != nil {
		return a, fmt.Errorf("bucket %q: 3 to 63 lower-case letters, digits, dots and dashes", a.bucket)
	}
	if a.prefix = strings.Trim(u.Path, "/"); a.prefix != "" {
		for part := range strings.SplitSeq(a.prefix, "/") {
			if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == '\\' }) {
				return a, fmt.Errorf("prefix %q: write names with single slashes between them", a.prefix)
			}
		}
		a.prefix += "/"
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return a, errors.New("what is behind the question mark is no list of NAME=VALUE&NAME=VALUE")
	}
	for name, values := range q {
		switch name {
		case "endpoint", "region", "insecure":
			if len(values) == 1 {
				continue
			}
			return a, fmt.Errorf("%s is there twice", name)
		}
		return a, fmt.Errorf("%q is none of endpoint, region, insecure", name)
	}
	a.region = q.Get("region")
	if strings.ContainsFunc(a.region, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) {
		return a, fmt.Errorf("region %q: lower-case letters, digits and dashes", a.region)
	}
	insecure := q.Get("insecure")
	if insecure != "" && insecure != "1" {
		return a, errors.New("insecure is 1 or not there")
	}
	if !q.Has("endpoint") {
		return a, nil
	}
	e, err := url.Parse(q.Get("endpoint"))
	if err != nil || e.Host == "" || e.Scheme != "https" && e.Scheme != "http" || strings.Trim(e.Path, "/") != "" || e.RawQuery != "" ||
		e.User != nil {
		return a, errors.New("endpoint: write https://HOST or https://HOST:PORT")
	}
	a.host, a.secure = e.Host, e.Scheme == "https"
	if !a.secure && insecure == "" && !isLoopback(e.Hostname()) {
		return a, errors.New("endpoint: use https://, or add insecure=1 if the network is yours")
	}
	return a, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
