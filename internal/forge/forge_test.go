package forge_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/forge"
	"github.com/omsync/omsync/internal/oldprogram"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// network is a hub with two clinics: one whose keys a thief has, and an honest one.
type network struct {
	*testing.T
	program string
	dir     string
	dsn     map[string]string
	sql     map[string]func(statements ...string)
	one     map[string]func(query string) string
	forger  *forge.Forger
}

const (
	hub, thief, honest = "hub", "kisumu", "busia"
)

func newNetwork(t *testing.T) *network {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("memory of processes is read from /proc")
	}
	w := &network{T: t, program: oldprogram.Present(t), dir: t.TempDir(), dsn: map[string]string{}, sql: map[string]func(...string){}, one: map[string]func(string) string{}}
	server := dbtest.Server(t)
	for _, node := range []string{hub, thief, honest} {
		name, dsn := server.Database(t,
			"CREATE TABLE site (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB",
			"CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, site_id INT NULL, FOREIGN KEY (site_id) REFERENCES site (id)) ENGINE=InnoDB",
			"CREATE TABLE note (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, body LONGTEXT) ENGINE=InnoDB",
			"CREATE TABLE label (name VARCHAR(600) CHARACTER SET latin1 NOT NULL PRIMARY KEY, v VARCHAR(20)) ENGINE=InnoDB")
		db := server.Open(t, name)
		w.dsn[node] = dsn
		w.sql[node] = func(s ...string) { dbtest.Exec(t, db, s...) }
		w.one[node] = func(q string) (s string) {
			if err := db.QueryRow(q).Scan(&s); err != nil {
				t.Fatal(err)
			}
			return s
		}
		w.must(node, "init", "--node", node, "--dsn", dsn)
		if err := os.WriteFile(w.path(node+".card"), []byte(w.must(node, "card").Stdout), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.sql[hub]("INSERT INTO site (uuid, name) VALUES ('s1', 'district')")
	for _, clinic := range []string{thief, honest} {
		w.must(hub, "peer", "add", w.path(clinic+".card"), "--as", "child", "--yes")
		w.must(clinic, "peer", "add", w.path("hub.card"), "--as", "parent", "--yes")
		w.exchange(clinic)
	}
	w.sql[thief]("INSERT INTO site (uuid, name) VALUES ('t1', 'of the thief')")
	w.must(thief, "export", "--to", w.stick("taken"))
	files, err := filepath.Glob(filepath.Join(w.stick("taken"), "*.omsync"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	if w.forger, err = forge.New(w.path(thief), thief, w.path("hub.card"), files[0]); err != nil {
		t.Fatal(err)
	}
	// A file with short keys is read to its end before anything of it is applied: these show what comes before the end.
	h := w.forger.Header
	h.Requests = slices.DeleteFunc(h.Requests, func(said string) bool { return strings.HasPrefix(said, "needs:"+batch.ShortKeys+"@") })
	return w
}

func (w *network) path(name string) string { return filepath.Join(w.dir, name) }

func (w *network) stick(name string) string {
	w.Helper()
	if err := os.MkdirAll(w.path(name), 0o700); err != nil {
		w.Fatal(err)
	}
	return w.path(name)
}

func (w *network) must(node string, args ...string) oldprogram.Result {
	w.Helper()
	return oldprogram.Must(w, w.program, w.path(node), args)
}

// exchange takes a clinic's files to the hub and the hub's back, until nothing is left to say.
func (w *network) exchange(clinic string) {
	w.Helper()
	for range 2 {
		for _, node := range []string{hub, clinic} {
			w.must(node, "export", "--to", w.stick("stick-"+clinic))
		}
		for _, node := range []string{hub, clinic} {
			oldprogram.Must(w, w.program, w.path(node), []string{"import", "--from", w.stick("stick-" + clinic)}, 0, 3) // 3: with conflicts
		}
	}
}

// result is what came of an import of one file in a process of its own.
type result struct {
	stderr string
	code   int
	took   time.Duration
	peak   int64 // bytes of memory
}

// start starts the import of a file at the hub.
func (w *network) start(file string) (*exec.Cmd, *bytes.Buffer) {
	w.Helper()
	cmd := exec.Command(w.program, "--home", w.path(hub), "import", file)
	var errs bytes.Buffer
	cmd.Env, cmd.Stderr = append(os.Environ(), "OMSYNC_HOME=", "GOMEMLIMIT="), &errs
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd, &errs
}

// imports imports a file at the hub, and watches the process.
func (w *network) imports(file string) result {
	w.Helper()
	begin := time.Now()
	cmd, errs := w.start(file)
	peak := watch(cmd.Process.Pid)
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	return result{errs.String(), cmd.ProcessState.ExitCode(), time.Since(begin), peak()}
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// watch looks at a process's memory until it ends. (What the system says after its end may be the memory of the process that started it.)
func watch(pid int) (peak func() int64) {
	var most int64
	var done sync.WaitGroup
	done.Go(func() {
		for {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			m := highWater.FindSubmatch(b)
			if err != nil || m == nil {
				return
			}
			if n, err := strconv.ParseInt(string(m[1]), 10, 64); err == nil {
				most = max(most, n<<10)
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	return func() int64 { done.Wait(); return most }
}

// The bounds of an import: of its memory, and of its time: some, and more for each byte of the file.
const (
	maxPeak     = 192 << 20
	maxTime     = 2 * time.Minute
	timePerByte = 200 * time.Microsecond
)

// attack imports a forged file at the hub, and holds it to the bounds. why is what the hub says, or
// one of several things with | between them: servers differ.
func (w *network) attack(t *testing.T, name string, items func(s *forge.Stream), why string) {
	t.Helper()
	file := filepath.Join(w.stick("forged"), strings.ReplaceAll(name, " ", "-")+".omsync")
	if err := w.forger.WriteStream(file, items); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	r := w.imports(file)
	t.Logf("%d bytes of file: %.1f s, %d MiB, exit code %d: %.300s", info.Size(), r.took.Seconds(), r.peak>>20, r.code, r.stderr)
	if !slices.ContainsFunc(strings.Split(why, "|"), func(s string) bool { return strings.Contains(r.stderr, s) }) || (why != "") != (r.code == 1) {
		t.Errorf("exit code %d, want one with %q", r.code, why)
	}
	if r.peak > maxPeak {
		t.Errorf("%d MiB of memory, more than %d", r.peak>>20, maxPeak>>20)
	}
	if limit := maxTime + time.Duration(info.Size())*timePerByte; r.took > limit {
		t.Errorf("it took %s, more than %s", r.took, limit)
	}
	// The honest clinic's exchange goes on.
	begin := time.Now()
	w.sql[honest](fmt.Sprintf("INSERT INTO site (uuid, name) VALUES ('h-%d', 'honest')", time.Now().UnixNano()))
	w.exchange(honest)
	t.Logf("the honest clinic's exchange took %.1f s", time.Since(begin).Seconds())
	if here, there := w.one[hub]("SELECT COUNT(*) FROM site WHERE name = 'honest'"), w.one[honest]("SELECT COUNT(*) FROM site WHERE name = 'honest'"); here != there {
		t.Errorf("the hub has %s of the honest clinic's rows, the clinic %s", here, there)
	}
}

// stop asks a process to stop, and returns how long it took to.
func stop(t *testing.T, cmd *exec.Cmd) time.Duration {
	t.Helper()
	begin := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	return time.Since(begin)
}
