package bucket

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/transport"
)

var keys = Options{AccessKey: "key", SecretKey: "hush"}

func TestAddresses(t *testing.T) {
	for u, want := range map[string]string{
		"s3://clinics":                       "s3://clinics at s3.amazonaws.com",
		"s3://clinics/":                      "s3://clinics at s3.amazonaws.com",
		"s3://clinics/a/b/?region=eu-west-1": "s3://clinics/a/b at s3.amazonaws.com",
		"s3://clinics?endpoint=https://s3.example.org:9000":    "s3://clinics at s3.example.org:9000",
		"s3://clinics?endpoint=http://127.0.0.1:1":             "s3://clinics at 127.0.0.1:1",
		"s3://clinics?endpoint=http://[::1]:1":                 "s3://clinics at [::1]:1",
		"s3://clinics?endpoint=http://localhost:1/":            "s3://clinics at localhost:1",
		"s3://clinics?endpoint=http://10.0.0.1:1&insecure=1":   "s3://clinics at 10.0.0.1:1",
		"s3://clinics/with%20space?endpoint=https://a.example": "s3://clinics/with space at a.example",
	} {
		s, err := Open(t.Context(), u, keys)
		if err != nil {
			t.Errorf("%s: %v", u, err)
		} else if s.String() != want {
			t.Errorf("%s is %q, want %q", u, s, want)
		}
	}
	for u, want := range map[string]string{
		"":                                   "s3://BUCKET",
		"http://clinics":                     "s3://BUCKET",
		"s3:clinics":                         "s3://BUCKET",
		"s3://":                              "bucket",
		"s3://A_b":                           "bucket",
		"s3://clinics:80":                    "bucket",
		"s3://key:hush@clinics":              "keys do not belong",
		"s3://clinics/../b":                  "prefix",
		"s3://clinics/a//b":                  "prefix",
		"s3://clinics#a":                     "s3://BUCKET",
		"s3://clinics?secret=hush":           "none of endpoint",
		"s3://clinics?region=a&region=b":     "twice",
		"s3://clinics?region=a/b":            "region",
		"s3://clinics?endpoint=10.0.0.1:1":   "https://HOST",
		"s3://clinics?endpoint=ftp://a":      "https://HOST",
		"s3://clinics?endpoint=https://a/b":  "https://HOST",
		"s3://clinics?endpoint=https://k@a":  "https://HOST",
		"s3://clinics?endpoint=":             "https://HOST",
		"s3://clinics?endpoint=http://a.org": "insecure=1",
		"s3://clinics?insecure=yes":          "insecure is 1",
	} {
		if s, err := Open(t.Context(), u, keys); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v, %v; want %q", u, s, err, want)
		}
	}
	for _, size := range []uint64{1, 5<<20 - 1, 5<<30 + 1} {
		if _, err := Open(t.Context(), "s3://clinics", Options{AccessKey: "a", SecretKey: "b", PartSize: size}); err == nil {
			t.Errorf("a part size of %d was taken", size)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("s3://clinics/a/b?endpoint=https://s3.example.org:9000&region=eu-1")
	f.Add("s3://clinics?endpoint=http://[::1]:1")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parse(text)
		if err != nil {
			return
		}
		if a.bucket == "" || a.host == "" || strings.HasPrefix(a.prefix, "/") || a.prefix != "" && !strings.HasSuffix(a.prefix, "/") ||
			strings.Contains("/"+a.prefix, "/../") {
			t.Errorf("%q is %+v", text, a)
		}
	})
}

func TestKeys(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_PROFILE",
		"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	if _, err := Open(t.Context(), "s3://clinics", Options{}); err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("no keys: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	if _, err := Open(t.Context(), "s3://clinics", Options{}); err == nil {
		t.Error("half of the keys is enough")
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hush")
	if _, err := Open(t.Context(), "s3://clinics", Options{}); err != nil {
		t.Error(err)
	}
}

// Answers that no server for tests gives.
func TestWords(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   string
		is     error
	}{
		{403, "AccessDenied", "rights", nil},
		{403, "RequestTimeTooSkewed", "clock", nil},
		{400, "ExpiredToken", "expired", nil},
		{400, "AuthorizationHeaderMalformed", "region=eu-9", nil},
		{400, "EntityTooLarge", "in parts", nil},
		{403, "QuotaExceeded", "", transport.ErrFull},
		{507, "XMinioStorageFull", "", transport.ErrFull},
		{503, "SlowDown", "", transport.ErrDown},
		{400, "RequestTimeout", "", transport.ErrDown},
		{503, "ServiceUnavailable", "busy", transport.ErrDown},
		{500, "InternalError", "", transport.ErrDown},
		{404, "NoSuchKey", "", fs.ErrNotExist},
		{418, "Teapot", "Teapot", nil},
	} {
		t.Run(c.code, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(c.status)
				fmt.Fprintf(w, "<Error><Code>%s</Code><Message>words</Message><Region>eu-9</Region></Error>", c.code)
			}))
			defer srv.Close()
			s, err := Open(t.Context(), "s3://clinics?region=us-east-1&endpoint="+srv.URL, keys)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = s.Get(t.Context(), "a.omsync", 0)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error: %v", err)
			}
			if c.is != transport.ErrDown && errors.Is(err, transport.ErrDown) {
				t.Errorf("no link: %v", err)
			}
		})
	}
}

func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s, err := Open(t.Context(), "s3://clinics?endpoint=http://"+l.Addr().String(), keys)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(t.Context()); !errors.Is(err, transport.ErrDown) {
		t.Errorf("nobody listens: %v", err)
	}
	start := time.Now()
	s, err = Open(t.Context(), "s3://clinics?endpoint=https://nowhere.invalid&region=a", keys)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(t.Context()); !errors.Is(err, transport.ErrDown) || time.Since(start) > 30*time.Second {
		t.Errorf("no such host: %v", err)
	}

	strange := httptest.NewTLSServer(http.NotFoundHandler())
	defer strange.Close()
	strange.Config.ErrorLog = nil
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for endpoint, want := range map[string]string{
		strange.URL: "not one that is trusted",
		strings.Replace(plain.URL, "http:", "https:", 1): "does not speak TLS",
	} {
		s, err := Open(t.Context(), "s3://clinics?region=a&endpoint="+endpoint, keys)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.List(t.Context()); err == nil || errors.Is(err, transport.ErrDown) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// A server, or a proxy, that does not know ranges.
func TestNoRanges(t *testing.T) {
	content := strings.Repeat("0123456789", 100)
	answer := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", time.Unix(1, 0).UTC().Format(http.TimeFormat))
		if answer != "" {
			w.Header().Set("Content-Range", answer)
			w.WriteHeader(http.StatusPartialContent)
		}
		io.WriteString(w, content)
	}))
	defer srv.Close()
	s, err := Open(t.Context(), "s3://clinics?region=a&endpoint="+srv.URL, keys)
	if err != nil {
		t.Fatal(err)
	}
	r, total, err := s.Get(t.Context(), "a.omsync", 7)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || total != 1000 || string(b) != content[7:] {
		t.Errorf("%d bytes of %d, %v", len(b), total, err)
	}
	if _, _, err := s.Get(t.Context(), "a.omsync", 1001); err == nil {
		t.Error("there is something beyond the end")
	}
	for _, answer = range []string{"bytes 0-999/1000", "bytes 70-999/1000", "bytes 7-999/*", "bytes 7-999/3", "7"} {
		if _, _, err := s.Get(t.Context(), "a.omsync", 7); err == nil {
			t.Errorf("%q was taken for what is behind byte 7", answer)
		}
	}
}
