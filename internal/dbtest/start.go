package dbtest

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// maxSocketPath is below what the systems omsync is developed on take: 108 bytes on Linux, 104 on macOS and the
	// BSDs, the terminating zero included (unix(7), sun_path).
	maxSocketPath = 100

	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// supervise runs the server ("$@") as a child of a shell, and has a second shell read from descriptor 3. The other end
// of that pipe is held by the process that called Start, and by nothing else: when that process ends, however it ends,
// the read returns and the server is killed. (A parent-death signal would do the same on Linux alone, and would go off
// early when the thread that forked ends.) "stop" written to the pipe asks for an orderly shutdown; closing it after
// that kills. REMOVE names the folder to remove in the end, or is empty.
const supervise = `
"$@" 3<&- & server=$!
( read -r word <&3
  if [ "$word" = stop ]; then kill -TERM $server; read -r word <&3; fi
  kill -KILL $server ) 2>/dev/null & watch=$!
exec 3<&-
wait $server; code=$?
kill $watch 2>/dev/null
if [ -n "$REMOVE" ]; then rm -rf "$REMOVE"; fi
exit $code
`

// Start starts a private MariaDB whose files are in dir, or starts it again if they are there already: no network, a
// unix socket in dir, root without a password, row-based binary log. It is made for tests and demonstrations: a power
// cut may cost it the last second. stop shuts it down and leaves the files; it also ends when this process does. The
// path of dir may have up to 90 bytes or so: the system limits the length of socket paths.
func Start(dir string) (dsn string, stop func() error, err error) {
	return start(dir, false)
}

// start is Start, with more arguments; with remove, the folder goes away with the server, or when it does not start.
func start(dir string, remove bool, more ...string) (dsn string, stop func() error, err error) {
	if remove {
		defer func() {
			if err != nil {
				os.RemoveAll(dir)
			}
		}()
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	socket := filepath.Join(dir, "sock")
	if len(socket) > maxSocketPath {
		return "", nil, fmt.Errorf("the path %s is too long for a unix socket; choose a folder with a shorter path (or set TMPDIR)", socket)
	}
	// A server removes temporary tables that it finds in its temporary folder when it starts: in /tmp, those of other servers.
	tmp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return "", nil, err
	}
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(filepath.Join(data, "mysql")); errors.Is(err, fs.ErrNotExist) {
		if err := install(data, tmp); err != nil {
			return "", nil, err
		}
	}
	mariadbd, err := lookPath("mariadbd")
	if err != nil {
		return "", nil, err
	}
	args := []string{mariadbd, "--no-defaults", "--datadir=" + data, "--socket=" + socket,
		"--pid-file=" + filepath.Join(dir, "pid"), "--tmpdir=" + tmp, "--skip-networking", "--server-id=1", "--log-bin=binlog",
		"--binlog-format=ROW", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=256M",
		"--max-allowed-packet=64M", "--character-set-server=utf8mb4"}
	p, err := supervised(filepath.Join(dir, "log"), dir, remove, slices.Concat(args, more, asRoot()))
	if err != nil {
		return "", nil, err
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.MaxAllowedPacket = "root", "unix", socket, 0
	dsn = cfg.FormatDSN()
	if err := p.waitUp(dsn); err != nil {
		p.pipe.Close()
		<-p.ended
		return "", nil, err
	}
	return dsn, p.stop, nil
}

// install makes the data folder of a new server.
func install(data, tmp string) error {
	tool, err := lookPath("mariadb-install-db")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	args := append([]string{"--no-defaults", "--datadir=" + data, "--tmpdir=" + tmp, "--auth-root-authentication-method=normal",
		"--skip-test-db"}, asRoot()...)
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("run mariadb-install-db: %w\n%s", err, tail(out))
	}
	return nil
}

// asRoot lets a server be run by root, which it refuses unless told.
func asRoot() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

// lookPath finds a program of the server, which for an ordinary user is often not on PATH.
func lookPath(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/libexec"} {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is not installed; install it (Debian, Ubuntu: apt-get install mariadb-server-core), or set %s to a server's DSN", name, EnvDSN)
}

// process is a server under supervision.
type process struct {
	cmd   *exec.Cmd
	pipe  *os.File // the server lives as long as this is open
	log   string
	ended chan struct{} // closed when the server has gone
	err   error         // how it ended; to be read after ended is closed
}

func supervised(log, dir string, remove bool, args []string) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", supervise, "sh"}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{r}
	cmd.SysProcAttr = ownGroup() // an interrupt at the terminal is for the tests
	cmd.Env = append(os.Environ(), "REMOVE=")
	if remove {
		cmd.Env = append(os.Environ(), "REMOVE="+dir)
	}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, fmt.Errorf("start the server: %w", err)
	}
	p := &process{cmd: cmd, pipe: w, log: log, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// waitUp waits until the server answers.
func (p *process) waitUp(dsn string) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	deadline := time.After(startTimeout)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = db.Ping(); err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("the server ended at once; its log ends:\n%s", p.tail())
		case <-deadline:
			return fmt.Errorf("the server did not answer within %v: %w; its log ends:\n%s", startTimeout, err, p.tail())
		case <-tick.C:
		}
	}
}

// stop asks the server to shut down, and kills it if it does not. A second call does nothing.
func (p *process) stop() error {
	defer p.pipe.Close()
	if _, err := p.pipe.WriteString("stop\n"); errors.Is(err, os.ErrClosed) {
		return nil
	}
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		p.pipe.Close()
		<-p.ended
		return fmt.Errorf("the server did not shut down within %v and was killed", stopTimeout)
	}
	if p.err != nil {
		return fmt.Errorf("stop the server: %w\n%s", p.err, p.tail())
	}
	return nil
}

func (p *process) tail() []byte {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	return tail(b)
}

// tail is the last lines of a log.
func tail(b []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-15):], []byte("\n"))
}
