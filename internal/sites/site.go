package sites

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Wait is how long imports and exports of tests wait for the gate.
const Wait = 20 * time.Second

// Site is a database, and a node once Init was called.
type Site struct {
	Name     string
	Database string
	DSN      string           // with the database's name
	DB       *sql.DB          // as the application would open it: triggers active, the server's own sql_mode
	J        *journal.Journal // nil before Init; replace its Now for a node with a wrong clock
	Profile  *schema.Profile
	Warnings []string                            // what the node had to say
	Features features.Known                      // what the node reads and writes; nil: it is as omsync was before there was any feature
	Policies func(*journal.Table) merge.Policies // what decides conflicts; nil: the later stamp
	Sections *export.Sections                    // what exports made for several children; nil: each file is made by itself
	Listens  bool                                // as a child it sends no rows before its parent's first load is applied, as nodes do
	Waits    bool                                // rows that cannot be applied wait; otherwise an import is all or nothing
	Options  func(*apply.Options)                // of each import, and of each retry; nil: the usual ones

	t        testing.TB
	app      *sql.Conn // where Exec runs: its session variables stay
	shift    time.Duration
	node     *sql.DB         // as omsync opens it
	unread   map[string]bool // peers that named rows short of which it is not known here which they are: they are told that short keys are not read
	parent   *Site
	children []*Site
}

// New makes a database and runs ddl in it with foreign key checks off. profile is the name of a built-in profile, or
// TOML that stands on top of "none".
func New(t testing.TB, name, profile string, ddl ...string) *Site {
	t.Helper()
	return NewOn(t, dbtest.Server(t), name, profile, ddl...)
}

// NewOn is New on a server of the test's own.
func NewOn(t testing.TB, server *dbtest.ServerInfo, name, profile string, ddl ...string) *Site {
	t.Helper()
	s := &Site{Name: name, Features: features.Present(), t: t}
	s.Database, s.DSN = server.Database(t, ddl...)
	s.DB = server.Open(t, s.Database)
	var err error
	if s.app, err = s.DB.Conn(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.app.Close() })
	builtin, text := profile, ""
	if strings.ContainsAny(profile, "=[\n") {
		builtin, text = "none", profile
	}
	if s.Profile, err = schema.Builtin(builtin); err == nil && text != "" {
		s.Profile, err = schema.ParseProfile("test.toml", []byte(text), s.Profile)
	}
	if err != nil {
		t.Fatalf("profile of %s: %v", name, err)
	}
	return s
}

// Use makes t the test that the sites' failures belong to, until it ends.
func Use(t testing.TB, sites ...*Site) {
	for _, s := range sites {
		before := s.t
		s.t = t
		t.Cleanup(func() { s.t = before })
	}
}

// Init makes the database a node.
func (s *Site) Init() {
	s.t.Helper()
	var err error
	if s.node, _, err = sqldb.Open(s.DSN); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.node.Close() })
	s.J, err = capture.Init(context.Background(), s.node, s.catalogue(), s.Profile, s.Name, s.now, s.warn)
	if err != nil {
		s.t.Fatalf("init %s: %v", s.Name, err)
	}
}

func (s *Site) catalogue() *schema.Catalogue {
	s.t.Helper()
	cat, err := schema.Read(context.Background(), s.node, s.Database, s.Profile)
	if err != nil {
		s.t.Fatal(err)
	}
	return cat
}

func (s *Site) now() time.Time { return time.Now().Add(s.shift) }

func (s *Site) warn(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}

// Follow does what each run of the command does first: it reads the catalogue anew and brings triggers and versions in
// line with it.
func (s *Site) Follow() *capture.Reconciled {
	s.t.Helper()
	s.J.Catalogue = s.catalogue()
	if err := s.J.Reload(context.Background(), s.node); err != nil {
		s.t.Fatal(err)
	}
	f, err := capture.Reconcile(context.Background(), s.J, Wait)
	if err != nil {
		s.t.Fatalf("follow the schema of %s: %v", s.Name, err)
	}
	return f
}

// Reopen reads node and catalogue anew, as a run of the command does after the database was restored from a dump.
func (s *Site) Reopen() {
	s.t.Helper()
	j, err := journal.Load(context.Background(), s.node, s.catalogue(), s.Profile)
	if err != nil {
		s.t.Fatal(err)
	}
	j.Now, j.Warn = s.now, s.warn
	s.J = j
}

// Connect makes the two nodes peers of each other, s the parent.
func (s *Site) Connect(child *Site) {
	s.t.Helper()
	for _, end := range []struct {
		at, to *Site
		role   access.Role
	}{{s, child, access.Child}, {child, s, access.Parent}} {
		p := &journal.Peer{Name: end.to.Name, Role: end.role, Card: []byte("card of " + end.to.Name), Link: merge.Link{Number: uint64(time.Now().UnixMicro())}}
		if err := journal.AddPeer(context.Background(), end.at.node, p); err != nil {
			s.t.Fatal(err)
		}
	}
	s.children, child.parent = append(s.children, child), s
}

// Peer is what the site's journal holds of another.
func (s *Site) Peer(of *Site) *journal.Peer {
	s.t.Helper()
	p, err := journal.PeerByName(context.Background(), s.node, of.Name, false)
	if err != nil || p == nil {
		s.t.Fatalf("peer %s of %s: %v, %v", of.Name, s.Name, p, err)
	}
	return p
}

// Seal seals what the application has changed.
func (s *Site) Seal() {
	s.t.Helper()
	if _, err := capture.Seal(context.Background(), s.J, Wait); err != nil {
		s.t.Fatalf("at %s: %v", s.Name, err)
	}
}

// Exec executes statements one by one on the application's session.
func (s *Site) Exec(statements ...string) {
	s.t.Helper()
	for _, q := range statements {
		if err := s.ExecErr(q); err != nil {
			s.t.Fatalf("at %s: %v\nin: %.600s", s.Name, err, q)
		}
	}
}

// ExecErr executes one statement on the application's session.
func (s *Site) ExecErr(statement string) error {
	if s.shift != 0 {
		at := float64(s.now().UnixMicro()) / 1e6
		if _, err := s.app.ExecContext(context.Background(), fmt.Sprintf("SET timestamp = %.6f", at)); err != nil {
			return err
		}
	}
	_, err := s.app.ExecContext(context.Background(), statement)
	return err
}

// SetClock shifts the clock of the application's session and of the node. Nought sets it right again.
func (s *Site) SetClock(shift time.Duration) {
	s.t.Helper()
	s.shift = shift
	if shift == 0 {
		s.Exec("SET timestamp = DEFAULT")
	}
}

// Query returns the rows of a query on the application's session, NULL as "NULL".
func (s *Site) Query(query string, args ...any) [][]string {
	s.t.Helper()
	rows, err := s.app.QueryContext(context.Background(), query, args...)
	if err != nil {
		s.t.Fatalf("at %s: %v\nin: %.600s", s.Name, err, query)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		s.t.Fatal(err)
	}
	var out [][]string
	for rows.Next() {
		row, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			s.t.Fatal(err)
		}
		line := make([]string, len(row))
		for i, v := range row {
			if line[i] = v.String; !v.Valid {
				line[i] = "NULL"
			}
		}
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatalf("at %s: %v\nin: %.600s", s.Name, err, query)
	}
	return out
}

// One returns the first column of the only row; the test ends if there is another number of rows.
func (s *Site) One(query string, args ...any) string {
	s.t.Helper()
	rows := s.Query(query, args...)
	if len(rows) != 1 {
		s.t.Fatalf("at %s: %d rows where one is due\nin: %.600s %q", s.Name, len(rows), query, args)
	}
	return rows[0][0]
}

// SetOffset makes n the lowest integer key that the tables give to their next row.
func (s *Site) SetOffset(n int64) {
	s.t.Helper()
	for _, r := range s.Query("SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND extra LIKE '%auto_increment%' AND table_name NOT LIKE 'omsync\\_%'") {
		s.Exec(fmt.Sprintf("ALTER TABLE %s AUTO_INCREMENT = %d", schema.Quote(r[0]), n))
	}
}
