package bucket

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/omsync/omsync/transport"
)

// The server for the tests is a program of its own, which stores objects as files.
const (
	serverModule = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
	accessKey    = "test-access"
	secretKey    = "test-secret-0123456789"
)

// program finds the server: the one that OMSYNC_S3_SERVER names, or one that it builds, once, in the user's cache folder. A
// machine that cannot have it skips the test, unless OMSYNC_REQUIRE_S3 is 1.
var program = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("OMSYNC_S3_SERVER"); path != "" {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "omsync", "test")
	_, version, _ := strings.Cut(serverModule, "@")
	path := filepath.Join(dir, "versitygw-"+version)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	bin, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(bin)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "install", serverModule)
	cmd.Dir = bin
	cmd.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install %s: %w: %s", serverModule, err, out)
	}
	return path, os.Rename(filepath.Join(bin, "versitygw"), path)
})

// server is a running S3 server on a folder.
type server struct {
	dir  string // a bucket is a folder in it
	host string
	cmd  *exec.Cmd
}

func need(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		if os.Getenv("OMSYNC_REQUIRE_S3") == "1" {
			t.Fatalf("no S3 server to test with: %v", err)
		}
		t.Skipf("no S3 server to test with: %v", err)
	}
	if err := syscall.Setxattr(t.TempDir(), "user.omsync", []byte("x"), 0); err != nil {
		t.Skipf("the S3 server needs a file system with attributes of users for its files; name one by TMPDIR: %v", err)
	}
	return path
}

// start starts a server on a folder, for the test.
func start(t *testing.T, dir string) *server {
	t.Helper()
	path := need(t)
	for range 3 { // somebody else may take the port
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &server{dir: dir, host: l.Addr().String()}
		l.Close()
		s.cmd = exec.Command(path, "--port", s.host, "--access", accessKey, "--secret", secretKey, "--quiet",
			"posix", "--disableotmp", dir)
		s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		var out strings.Builder
		s.cmd.Stdout, s.cmd.Stderr = &out, &out
		if err := s.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { s.cmd.Wait(); close(ended) }()
		t.Cleanup(func() { s.cmd.Process.Kill(); <-ended })
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			select {
			case <-ended:
				end = time.Time{}
			default:
			}
			r, err := http.Get("http://" + s.host + "/")
			if err == nil {
				r.Body.Close()
				return s
			}
		}
		t.Logf("the server does not start:\n%s", out.String())
		s.cmd.Process.Kill()
		<-ended
	}
	t.Fatal("the S3 server does not start")
	return nil
}

// kill ends the server as a power failure would.
func (s *server) kill() {
	s.cmd.Process.Kill()
	for { // until the port answers no more
		c, err := net.Dial("tcp", s.host)
		if err != nil {
			return
		}
		c.Close()
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *server) address(bucket, prefix string) string {
	return "s3://" + bucket + prefix + "?endpoint=http://" + s.host + "&region=us-east-1"
}

func (s *server) makeBucket(t *testing.T, bucket string) {
	t.Helper()
	b := s.open(t, bucket, "", Options{})
	if err := b.core.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (s *server) open(t *testing.T, bucket, prefix string, o Options) *Store {
	t.Helper()
	if o.AccessKey == "" {
		o.AccessKey, o.SecretKey = accessKey, secretKey
	}
	b, err := Open(t.Context(), s.address(bucket, prefix), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// planted is a bucket into which other programs write, too.
type planted struct {
	*Store
	dir string
}

func (p planted) Plant(t *testing.T, name string, content []byte) bool {
	_, err := p.core.PutObject(t.Context(), p.bucket, p.prefix+name, strings.NewReader(string(content)), int64(len(content)), "", "",
		minio.PutObjectOptions{})
	if err != nil {
		t.Logf("%q: %v", name, err)
	}
	return err == nil
}

var _ transport.Store = planted{}
