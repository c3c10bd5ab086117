package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/netfault"
	"github.com/omsync/omsync/node/config"
)

// pair is a hub, a clinic and the network between them.
type pair struct {
	t       *testing.T
	program string
	dir     string
	home    map[string]string // by node
	db      map[string]*sql.DB
	plain   bool
	tcp     *netfault.Proxy     // nil if plain
	http    *netfault.HTTPProxy // nil if not
	random  *rand.ChaCha8
	rows    int      // of visits there are altogether
	texts   []string // what must not be in a log
	said    bytes.Buffer
	idle    bool // the last sync had nothing to do

	mu     sync.Mutex // guards what blows change
	hub    *process
	clinic *exec.Cmd // nil: none runs
}

// process is a server.
type process struct {
	cmd     *exec.Cmd
	address string
	ended   chan error
}

// visitText is how many bytes of text a row has.
const visitText = 30 << 10

// faultTime is how long one direction may take.
const faultTime = 3 * time.Minute

func newPair(t *testing.T, server *dbtest.ServerInfo, plain bool, seed uint64) *pair {
	t.Helper()
	program, err := exec.LookPath("omsync")
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, program: program, dir: t.TempDir(), home: map[string]string{}, db: map[string]*sql.DB{}, plain: plain}
	var key [32]byte
	copy(key[:], fmt.Sprint(seed, t.Name()))
	p.random = rand.NewChaCha8(key)
	for _, node := range []string{"hub", "kisumu"} {
		name, dsn := server.Database(t, tiny()...)
		p.db[node], p.home[node] = server.Open(t, name), filepath.Join(p.dir, node)
		p.omsync("--home", p.home[node], "init", "--node", node, "--dsn", dsn)
	}
	dbtest.Exec(t, p.db["kisumu"], "ALTER TABLE visit AUTO_INCREMENT = 700") // its integers are others
	dbtest.Exec(t, p.db["hub"], "INSERT INTO site (uuid, name) VALUES ('s1', 'district')")
	if plain {
		config, err := os.OpenFile(filepath.Join(p.home["hub"], config.Name), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = config.WriteString("\n[serve]\nbehind_proxy = true\n")
			config.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// fill adds visits with so much text that no compression makes small: base64 loses a quarter.
func (p *pair) fill(node string, kib int) {
	p.t.Helper()
	for left := kib << 10; left > 0; left -= visitText {
		raw := make([]byte, min(left, visitText)*3/4)
		p.random.Read(raw)
		note := base64.StdEncoding.EncodeToString(raw)
		p.texts = append(p.texts, note[len(note)/2:][:12])
		p.rows++
		_, err := p.db[node].Exec("INSERT INTO visit (uuid, site_id, note) SELECT ?, id, ? FROM site WHERE uuid = 's1'",
			fmt.Sprintf("%s-%d", node, p.rows), "of Achieng Okoth: "+note)
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// omsync runs a command that must do well.
func (p *pair) omsync(args ...string) string {
	p.t.Helper()
	cmd := exec.Command(p.program, args...)
	cmd.Env = append(os.Environ(), "OMSYNC_HOME=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("omsync %q: %v\n%s%s", args, err, out, &stderr)
	}
	return string(out)
}

func (p *pair) logPath() string { return filepath.Join(p.dir, "hub.log") }

func (p *pair) log() string {
	b, err := os.ReadFile(p.logPath())
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// start starts the hub and the network before it.
func (p *pair) start() {
	p.t.Helper()
	p.t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.hub != nil {
			p.hub.cmd.Process.Kill()
			<-p.hub.ended
		}
		if p.t.Failed() {
			p.t.Logf("log of the hub:\n%s\nthe clinic said:\n%s", p.log(), &p.said)
		}
	})
	hub, err := p.serve()
	if err != nil {
		p.t.Fatal(err)
	}
	p.hub = hub
	if p.plain {
		p.http = netfault.StartHTTP(p.t, hub.address, netfault.Repeats{})
	} else {
		p.tcp = netfault.Start(p.t, hub.address, netfault.Faults{})
	}
}

// serve starts a server on a free port. Its log goes on where that of the one before ended.
func (p *pair) serve() (*process, error) {
	f, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	from, err := f.Seek(0, 2)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(p.program, "--home", p.home["hub"], "serve", "--import", "--listen", "127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = f, f
	cmd.Env = append(os.Environ(), "OMSYNC_HOME=")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	v := &process{cmd: cmd, ended: make(chan error, 1)}
	go func() { v.ended <- cmd.Wait() }()
	at := regexp.MustCompile(`msg=listening .*address=(\S+)`)
	for range 1200 {
		b, err := os.ReadFile(p.logPath())
		if m := at.FindSubmatch(b[min(int(from), len(b)):]); err == nil && m != nil {
			v.address = string(m[1])
			return v, nil
		}
		select {
		case err := <-v.ended:
			return nil, fmt.Errorf("the hub ended: %w\n%s", err, b)
		case <-time.After(25 * time.Millisecond):
		}
	}
	cmd.Process.Kill()
	<-v.ended
	return nil, fmt.Errorf("the hub does not listen after half a minute")
}

// join makes the clinic the hub's child, over a network without faults.
func (p *pair) join() {
	p.t.Helper()
	invitation := strings.Fields(p.omsync("--home", p.home["hub"], "invite", "kisumu"))
	address := "https://"
	if p.plain {
		address = "http://" + p.http.Addr()
	} else {
		address += p.tcp.Addr()
	}
	p.omsync("--home", p.home["kisumu"], "join", address, "--token", invitation[len(invitation)-1], "--yes")
}

// traffic is bytes since the start.
type traffic struct{ up, down, swallowed int64 }

func (p *pair) passed() traffic {
	if p.plain {
		b := p.http.Bytes()
		return traffic{b.Up, b.Down, b.Swallowed}
	}
	s := p.tcp.Stats()
	return traffic{up: s.Up, down: s.Down}
}

// strike kills processes when so much of kib KiB of text has passed. The function that it returns ends that, and fails the
// test if there was no occasion.
func (p *pair) strike(blows []blow, passed func() int64, kib int) (stop func()) {
	over := make(chan struct{})
	var work sync.WaitGroup
	base, size := passed(), float64(kib<<10)*3/4
	work.Go(func() {
		for _, b := range blows {
			for float64(passed()-base) < b.at*size {
				select {
				case <-over:
					p.t.Errorf("%s was not killed at %.0f %%", b.node, 100*b.at)
					return
				case <-time.After(5 * time.Millisecond):
				}
			}
			p.kill(b.node)
		}
	})
	stop = sync.OnceFunc(func() {
		close(over)
		work.Wait()
	})
	p.t.Cleanup(stop)
	return stop
}

// kill ends a process as a power failure does, except that what it wrote stays. A hub is started again, elsewhere.
func (p *pair) kill(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if node == "kisumu" {
		if p.clinic == nil {
			p.t.Error("no sync was running that could be killed")
			return
		}
		p.clinic.Process.Kill()
		return
	}
	select {
	case err := <-p.hub.ended:
		p.t.Errorf("the hub ended by itself: %v", err)
	default:
		p.hub.cmd.Process.Kill()
		<-p.hub.ended
	}
	hub, err := p.serve()
	p.hub = hub
	if err != nil {
		p.t.Error(err)
		return
	}
	p.tcp.Retarget(hub.address)
}

// sync runs omsync sync once, as cron would.
func (p *pair) sync() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), faultTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.program, "--home", p.home["kisumu"], "sync")
	cmd.Env = append(os.Environ(), "OMSYNC_HOME=")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	p.mu.Lock()
	err := cmd.Start()
	p.clinic = cmd
	p.mu.Unlock()
	if err != nil {
		p.t.Fatal(err)
	}
	err = cmd.Wait()
	p.mu.Lock()
	p.clinic = nil
	p.mu.Unlock()
	p.said.Write(out.Bytes())
	fmt.Fprintf(&p.said, "-- %v\n", err)
	if err != nil && cmd.ProcessState.Exited() { // others were killed
		p.t.Errorf("sync: %v\n%s", err, &out)
	}
	p.idle = err == nil && out.Len() == 0
}

// syncUntil runs sync again and again.
func (p *pair) syncUntil(done func() bool) {
	p.t.Helper()
	for began := time.Now(); !done(); {
		if time.Since(began) > faultTime || p.t.Failed() {
			p.t.Fatal("they do not get there")
		}
		p.sync()
	}
}

// quiet runs sync until there is nothing left to say.
func (p *pair) quiet() {
	p.t.Helper()
	p.idle = false
	p.syncUntil(func() bool { return p.idle })
}

// stop asks the hub to stop: it must have run all the time, and end well.
func (p *pair) stop() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	hub := p.hub
	p.hub = nil
	select {
	case err := <-hub.ended:
		p.t.Fatalf("the hub has ended: %v", err)
	default:
	}
	if err := hub.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Error(err)
	}
	select {
	case err := <-hub.ended:
		if err != nil {
			p.t.Errorf("the hub stops with %v", err)
		}
	case <-time.After(20 * time.Second):
		hub.cmd.Process.Kill()
		<-hub.ended
		p.t.Error("the hub does not stop")
	}
}
