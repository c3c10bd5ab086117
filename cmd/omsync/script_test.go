package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/node"
)

// withServer runs the tests of the package with a database server that is stopped in the end.
type withServer struct{ m *testing.M }

func (w withServer) Run() int { return dbtest.Main(w.m) }

func TestMain(m *testing.M) {
	testscript.Main(withServer{m}, map[string]func(){"omsync": main})
}

// TestScripts runs the scripts in testdata/script. Besides testscript's own commands they have:
//
//	db NAME tiny|empty|FILE|openmrs [PATIENTS]   make a database; $NAME is its DSN, $NAME_db its name
//	copy NEW OLD [bare|apart]                    make a database as a dump does; bare: without triggers, apart: without anything of omsync's
//	sql NAME STATEMENT                           run a statement in it; rows go to stdout, values separated by a blank
//	sql NAME @FILE                               run the statements of a file, each with a semicolon at its line's end
//	account VAR NAME PRIVILEGES                  make an account with these privileges on the database; $VAR is its DSN, $VAR_user its name
//	exits CODE PROGRAM ARGS...                   run a program that must end with this exit code
//	batch VAR PATTERN                            $VAR is the one file that fits the pattern
//	flip FILE PERMILLE                           flip a bit of the byte that is so far into the file
//	cut FILE PERMILLE                            keep so much of the file
//	gate NAME                                    hold the gate of its node until the script ends
//	hold FOLDER                                  hold the lock of a home folder until the script ends
//	release FOLDER AFTER                         let go of it after a while
//	serve NAME HOME ARGS...                      start omsync serve on a free port; $NAME is its address, $NAME_log its log
//	agent NAME HOME                              start omsync agent; $NAME_log is its log
//	within AFTER NAME STATEMENT TEXT             wait, so long at most, until a statement returns the text
//	shows AFTER FILE PATTERN                     wait, so long at most, until a file has what fits the pattern
//	idle DEVICE                                  say what goes over a network device in the time of $OMSYNC_AGENT_IDLE
//	killed NAME                                  kill what serve or agent started
//	later HOME SENDER RECEIVER FILE              write a batch of a format that is not yet known
//	quit NAME                                    ask it to stop, and see that it ends well
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := &scripted{t: t, server: dbtest.Server(t), names: map[string]string{}, served: map[string]*served{}, held: map[string]*node.Lock{}}
			testscript.Run(t, testscript.Params{
				Files:               []string{script},
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Setup: func(e *testscript.Env) error {
					e.Setenv("OMSYNC_HOME", "")
					return nil
				},
				Condition: s.condition,
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"db": s.db, "copy": s.copyDB, "sql": s.sql, "account": s.account, "exits": s.exits, "batch": s.batch, "flip": s.flip, "cut": s.cut, "gate": s.gate, "hold": s.hold, "release": s.release,
					"serve": s.serve, "quit": s.quit, "agent": s.agent, "within": s.within, "shows": s.shows, "idle": s.idle, "killed": s.kill, "later": s.later,
				},
			})
		})
	}
}

// scripted is what the commands of one script share.
type scripted struct {
	t      *testing.T // whose end drops the databases
	server *dbtest.ServerInfo
	names  map[string]string // databases
	served map[string]*served
	held   map[string]*node.Lock
}

// tiny is a schema that is not OpenMRS.
func tiny() []string {
	return []string{
		`CREATE TABLE site (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB`,
		`CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, site_id INT NOT NULL, note TEXT,
			FOREIGN KEY (site_id) REFERENCES site (id)) ENGINE=InnoDB`,
	}
}

func (s *scripted) db(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: db NAME tiny|empty|FILE|openmrs [PATIENTS]")
	}
	var ddl []string
	switch args[1] {
	case "empty":
	case "tiny":
		ddl = tiny()
	case "openmrs":
		ddl = openmrs.Schema("2.6")
	default:
		ddl = []string{ts.ReadFile(args[1])}
	}
	name, dsn := s.server.Database(s.t, ddl...)
	s.names[args[0]] = name
	ts.Setenv(args[0], dsn)
	ts.Setenv(args[0]+"_db", name)
	if len(args) > 2 {
		patients, err := strconv.Atoi(args[2])
		ts.Check(err)
		o := openmrs.Options{Seed: int64(len(args[0])), Site: args[0], Patients: patients, Metadata: true, Offset: int64(100 * patients)}
		_, err = openmrs.Load(s.t.Context(), s.server.Open(s.t, name), o)
		ts.Check(err)
	}
}

func (s *scripted) sql(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || s.names[args[0]] == "" {
		ts.Fatalf("usage: sql NAME STATEMENT, of a database made by db")
	}
	if file, is := strings.CutPrefix(args[1], "@"); is {
		for _, statement := range strings.Split(strings.TrimSpace(ts.ReadFile(file)), ";\n") {
			s.sql(ts, false, []string{args[0], strings.TrimSuffix(statement, ";")})
		}
		return
	}
	out := ts.Stdout() // also of a statement without rows: what was there before goes
	rows, err := s.server.Open(s.t, s.names[args[0]]).Query(args[1])
	ts.Check(err)
	defer rows.Close()
	columns, err := rows.Columns()
	ts.Check(err)
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		ts.Check(rows.Scan(into...))
		var line []string
		for _, v := range values {
			if !v.Valid {
				v.String = "NULL"
			}
			line = append(line, v.String)
		}
		fmt.Fprintln(out, strings.Join(line, " "))
	}
	ts.Check(rows.Err())
}

func (s *scripted) account(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || s.names[args[1]] == "" {
		ts.Fatalf("usage: account VAR NAME PRIVILEGES")
	}
	name := s.names[args[1]]
	user := "om" + name[len(name)-8:] + strconv.Itoa(len(args[0])) // 16 characters at most in MySQL 5.6
	db := s.server.Open(s.t, name)
	dbtest.Exec(s.t, db, "CREATE USER '"+user+"'@'localhost' IDENTIFIED BY 'se:cr@t/'",
		"GRANT "+args[2]+" ON `"+name+"`.* TO '"+user+"'@'localhost'")
	if args[2] == "ALL" { // and may make triggers where the server keeps a binary log
		dbtest.Exec(s.t, db, "GRANT SUPER ON *.* TO '"+user+"'@'localhost'")
	}
	s.t.Cleanup(func() {
		admin, err := sql.Open("mysql", s.server.DSN)
		if err == nil {
			_, err = admin.Exec("DROP USER '" + user + "'@'localhost'")
			admin.Close()
		}
		if err != nil {
			s.t.Error(err)
		}
	})
	cfg, err := mysql.ParseDSN(ts.Getenv(args[1]))
	ts.Check(err)
	cfg.User, cfg.Passwd = user, "se:cr@t/"
	ts.Setenv(args[0], cfg.FormatDSN())
	cfg.Passwd = ""
	ts.Setenv(args[0]+"_bare", cfg.FormatDSN())
	ts.Setenv(args[0]+"_user", user)
}

func (s *scripted) exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func (s *scripted) batch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: batch VAR PATTERN")
	}
	files, err := filepath.Glob(ts.MkAbs(args[1]))
	ts.Check(err)
	if len(files) != 1 {
		ts.Fatalf("%d files fit %s: %q", len(files), args[1], files)
	}
	rel, err := filepath.Rel(ts.MkAbs("."), files[0])
	ts.Check(err)
	ts.Setenv(args[0], rel)
}

func (s *scripted) flip(ts *testscript.TestScript, neg bool, args []string) {
	s.damage(ts, args, func(b []byte, at int) []byte {
		b[at] ^= 0x10
		return b
	})
}

func (s *scripted) cut(ts *testscript.TestScript, neg bool, args []string) {
	s.damage(ts, args, func(b []byte, at int) []byte { return b[:at] })
}

func (s *scripted) damage(ts *testscript.TestScript, args []string, f func(b []byte, at int) []byte) {
	if len(args) != 2 {
		ts.Fatalf("usage: flip|cut FILE PERMILLE")
	}
	permille, err := strconv.Atoi(args[1])
	ts.Check(err)
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, f(b, len(b)*permille/1000), 0o600))
}

func (s *scripted) gate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || s.names[args[0]] == "" {
		ts.Fatalf("usage: gate NAME")
	}
	tx, err := s.server.Open(s.t, s.names[args[0]]).Begin()
	ts.Check(err)
	ts.Defer(func() { tx.Rollback() })
	rows, err := tx.Query("SELECT id FROM omsync_node WHERE id = 1 FOR UPDATE")
	ts.Check(err)
	ts.Check(rows.Close())
}

func (s *scripted) hold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold FOLDER")
	}
	l, err := node.AcquireLock(s.t.Context(), ts.MkAbs(args[0]), 0)
	ts.Check(err)
	s.held[args[0]] = l
	ts.Defer(func() { l.Release() })
}

func (s *scripted) release(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || s.held[args[0]] == nil {
		ts.Fatalf("usage: release FOLDER AFTER, of what hold holds")
	}
	after, err := time.ParseDuration(args[1])
	ts.Check(err)
	time.AfterFunc(after, func() { s.held[args[0]].Release() })
}

// served is a server that a script started.
type served struct {
	cmd   *exec.Cmd
	ended chan error
}

// launch starts omsync as what a script calls name, until the script ends or stops it. Its log is in the file that is returned, and in NAME_log
// for the script.
func (s *scripted) launch(ts *testscript.TestScript, name string, args ...string) (v *served, log string) {
	log = ts.MkAbs(name + ".log")
	f, err := os.Create(log)
	ts.Check(err)
	defer f.Close()
	program, err := exec.LookPath("omsync")
	ts.Check(err)
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), f, f
	cmd.Env = append(os.Environ(), "OMSYNC_HOME=")
	ts.Check(cmd.Start())
	v = &served{cmd, make(chan error, 1)}
	go func() { v.ended <- cmd.Wait() }()
	s.served[name] = v
	ts.Setenv(name+"_log", name+".log")
	ts.Defer(func() {
		cmd.Process.Kill()
		<-v.ended
		if s.t.Failed() {
			b, _ := os.ReadFile(log)
			s.t.Logf("log of %s:\n%s", name, b)
		}
	})
	return v, log
}

func (s *scripted) serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || s.served[args[0]] != nil {
		ts.Fatalf("usage: serve NAME HOME ARGS...")
	}
	name := args[0]
	v, log := s.launch(ts, name, append([]string{"--home", args[1], "serve", "--listen", "127.0.0.1:0"}, args[2:]...)...)
	at := regexp.MustCompile(`msg=listening .*address=(\S+) tls=(\w+)`)
	for range 600 {
		b, err := os.ReadFile(log)
		ts.Check(err)
		if m := at.FindSubmatch(b); m != nil {
			scheme := "https"
			if string(m[2]) == "false" {
				scheme = "http"
			}
			ts.Setenv(name, scheme+"://"+string(m[1]))
			return
		}
		select {
		case err := <-v.ended:
			v.ended <- err
			ts.Fatalf("the server ended: %v\n%s", err, b)
		case <-time.After(50 * time.Millisecond):
		}
	}
	ts.Fatalf("the server does not listen after half a minute")
}

func (s *scripted) quit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || s.served[args[0]] == nil {
		ts.Fatalf("usage: quit NAME, of what serve started")
	}
	v := s.served[args[0]]
	delete(s.served, args[0])
	ts.Check(v.cmd.Process.Signal(os.Interrupt))
	select {
	case err := <-v.ended:
		v.ended <- err
		ts.Check(err)
	case <-time.After(time.Minute):
		ts.Fatalf("it does not stop")
	}
}
