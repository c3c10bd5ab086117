package node

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node/compared"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/hook"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/verify"
)

// gateWait is how long a run waits for other runs that hold the database's gate.
const gateWait = 2 * time.Minute

// Node is an opened home folder: its configuration, and what of the rest was asked for.
type Node struct {
	*config.Config
	Keys     *keys.Identity   // nil before LoadKeys
	DB       *sql.DB          // nil before Connect
	Database string           // its name
	Journal  *journal.Journal // nil before Load
	lock     *Lock
	ahead    *capture.Ahead // what the next Reconcile asks first; nil: nobody has asked
	seen     *capture.Seen  // what the last one saw; nil: nothing is known
}

// Use says what a command will do with a node.
type Use bool

const (
	Read   Use = false
	Change Use = true // it must be the only one: the home folder is locked until Close
)

// Open is [OpenPatient] with the zero Patience.
func Open(ctx context.Context, home string, use Use) (*Node, error) {
	return OpenPatient(ctx, home, use, Patience{})
}

// OpenPatient reads the configuration of a home folder, and takes its lock for a Use that wants it.
func OpenPatient(ctx context.Context, home string, use Use, p Patience) (*Node, error) {
	c, err := config.Read(home)
	if err != nil {
		return nil, err
	}
	n := &Node{Config: c}
	if use == Change {
		if err := n.Lock(ctx, p); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// Listener hears, as fmt.Printf would print it, what a person should know.
type Listener struct {
	Say      func(format string, args ...any) // what takes long
	Warn     func(format string, args ...any) // what may need somebody
	Patience Patience                         // with another run that holds the lock
}

// OpenAll opens the home folder, the keys and the database. A database that an older omsync made is upgraded, under the lock: a Read
// takes it for that, and gives it back.
func OpenAll(ctx context.Context, home string, use Use, l Listener) (*Node, error) {
	n, err := openAll(ctx, home, use, l)
	var format *journal.FormatError
	if use == Change || !errors.As(err, &format) || !format.Old() {
		return n, err
	}
	if n, err = openAll(ctx, home, Change, l); err != nil {
		return nil, err
	}
	n.Close()
	return openAll(ctx, home, use, l)
}

func openAll(ctx context.Context, home string, use Use, l Listener) (*Node, error) {
	n, err := OpenPatient(ctx, home, use, l.Patience)
	if err != nil {
		return nil, err
	}
	if err = n.LoadKeys(); err == nil {
		err = n.Load(ctx, l)
	}
	if err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// Lock takes the home folder's lock until Close.
func (n *Node) Lock(ctx context.Context, p Patience) (err error) {
	n.lock, err = p.Acquire(ctx, n.Home)
	return err
}

// LockPath returns the lock's file, once Lock has taken it.
func (n *Node) LockPath() string { return n.lock.Path() }

// Close gives back all that was opened.
func (n *Node) Close() {
	if n.ahead != nil {
		n.ahead.End()
	}
	if n.DB != nil {
		n.DB.Close()
	}
	if n.lock != nil {
		n.lock.Release()
	}
}

// LoadKeys reads the node's keys.
func (n *Node) LoadKeys() (err error) {
	n.Keys, err = keys.Load(n.Home, n.Node)
	if errors.Is(err, fs.ErrNotExist) {
		return failure.Hinted(err, "omsync --home %s init makes them", n.Home)
	}
	return err
}

// Connect opens the database and sees that it answers.
func (n *Node) Connect(ctx context.Context) error {
	dsn, err := n.FullDSN()
	if err != nil {
		return err
	}
	if n.DB, n.Database, err = sqldb.Open(dsn); err != nil {
		return err
	}
	if err := n.DB.PingContext(ctx); err != nil {
		return n.explain(err)
	}
	return nil
}

// Load connects, and reads the catalogue and the journal. Under the lock it upgrades a database that an older omsync made; without, that
// is a [journal.FormatError]. The listener hears what a person should know, now and later.
func (n *Node) Load(ctx context.Context, l Listener) error {
	profile := n.profileAhead()
	if err := n.Connect(ctx); err != nil {
		return err
	}
	if n.lock != nil { // the command will reconcile
		n.lookAhead(ctx)
	}
	p, err := profile()
	if err != nil {
		return err
	}
	cat, err := n.readCatalogue(ctx, p)
	if err != nil {
		return err
	}
	if err := n.CheckProfile(p); err != nil {
		return err
	}
	if n.lock != nil {
		if err := n.Upgrade(ctx, cat, p, l); err != nil {
			return err
		}
	}
	n.Journal, err = journal.Load(ctx, n.DB, cat, p)
	switch {
	case errors.Is(err, journal.ErrNone):
		return n.noTables()
	case err != nil:
		return err
	case n.Journal.Self != n.Node:
		return n.stranger(fmt.Sprintf("%s says %s", config.Name, n.Node), n.Journal.Self)
	}
	n.Journal.Warn, n.Journal.KeepNone = l.Warn, n.Keep() < 0
	if n.lock != nil {
		return n.CheckPlace(ctx)
	}
	return nil
}

// noTables is the error of a database that is no node. Where the home folder has keys, it may have been one.
func (n *Node) noTables() error {
	err := fmt.Errorf("the database %s has no omsync tables", n.Database)
	if n.Keys == nil {
		return failure.Hinted(err, "omsync --home %s init makes them", n.Home)
	}
	return failure.Hinted(err, "if the database is new: omsync --home %s init makes them; if it was put back from a backup without them, put back the whole backup, or go on as docs/recovery.md says; is the dsn right?", n.Home)
}

// Upgrade brings the tables of an earlier omsync, if there are any, to this one's form. The lock must be held.
func (n *Node) Upgrade(ctx context.Context, cat *schema.Catalogue, p *schema.Profile, l Listener) error {
	say := func(format string, args ...any) { // before anything is changed
		n.ahead = nil
		l.Say(format, args...)
	}
	err := capture.Upgrade(ctx, n.DB, cat, p, n.Node, say, l.Warn)
	if errors.Is(err, journal.ErrNone) {
		return nil
	}
	return err
}

// ReadCatalogue reads the profile that is configured, and with it the catalogue of the database. The configuration must fit both.
func (n *Node) ReadCatalogue(ctx context.Context) (*schema.Profile, *schema.Catalogue, error) {
	p, err := n.ReadProfile()
	if err != nil {
		return nil, nil, err
	}
	cat, err := n.readCatalogue(ctx, p)
	return p, cat, err
}

func (n *Node) readCatalogue(ctx context.Context, p *schema.Profile) (*schema.Catalogue, error) {
	cat, err := schema.Read(ctx, n.DB, n.Database, p)
	if err != nil {
		return nil, err
	}
	return cat, n.CheckTables(cat)
}

// profileAhead reads the profile that is configured while the database is opened, and returns what waits for it.
func (n *Node) profileAhead() func() (*schema.Profile, error) {
	var p *schema.Profile
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		p, err = n.ReadProfile()
	}()
	return func() (*schema.Profile, error) {
		<-done
		return p, err
	}
}

// CheckOwner returns an error if the database is another node. One that is half made or half dropped is nobody's.
func (n *Node) CheckOwner(ctx context.Context) error {
	there, err := journal.NodeName(ctx, n.DB)
	switch {
	case errors.Is(err, journal.ErrNone):
		return nil
	case err != nil:
		return err
	case there != n.Node:
		return n.stranger("this is "+n.Node, there)
	}
	return nil
}

func (n *Node) stranger(self, owner string) error {
	return failure.Hinted(fmt.Errorf("the database %s belongs to the node %s, and %s", n.Database, owner, self), "is the dsn in %s/%s right?", n.Home, config.Name)
}

// Exchange returns the node as package exchange wants it. It shows no progress.
func (n *Node) Exchange() *exchange.Node {
	maxFile, _ := n.MaxFileSize() // the configuration is checked
	x := &exchange.Node{Home: n.Home, Name: n.Node, Journal: n.Journal, Keys: n.Keys, Policies: n.policies(), Reindex: n.Hooks.Reindex,
		MaxFile: maxFile, Horizon: n.Horizon(), Keep: n.Keep(), Quotas: n.Limits(), Wait: gateWait, ScopeRules: n.Scope.Rules, Features: features.Present(), Sections: export.NewSections(export.SectionBytes)}
	x.Compared = func(ctx context.Context, p *journal.Peer, d *exchange.DigestFile, c *export.Compared) error {
		_, _, err := n.Compared(ctx, p, d, c, Comparing{Restore: true, Rows: compared.MaxRows})
		return err
	}
	return x
}

// Comparing is how a comparison is reported.
type Comparing struct {
	Restore bool // rows that are gone at one site, where neither decides alone, are to be sent again, and not deleted
	Rows    int  // how many rows that differ the report names; 0: all
}

// Compared says what came of a comparison with a peer, and what a repair would do about it, and keeps the report.
func (n *Node) Compared(ctx context.Context, p *journal.Peer, d *exchange.DigestFile, c *export.Compared, o Comparing) (*compared.Report, []verify.Step, error) {
	steps := verify.Plan(n.Journal, p, c, o.Restore)
	var off []verify.Off
	for _, m := range MissedTimes(n.Home) {
		off = append(off, verify.Off{Tables: m.Tables, From: m.From, To: m.To})
	}
	r, err := compared.New(ctx, compared.Comparing{Journal: n.Journal, DB: n.DB, Peer: p, Digest: d, Found: c, Steps: steps, Restore: o.Restore, Off: off, Rows: o.Rows})
	if err != nil {
		return nil, nil, err
	}
	return r, steps, compared.Keep(n.Home, p, r, d.Raw)
}

// policies returns what decides conflicts in each table.
func (n *Node) policies() func(*journal.Table) merge.Policies {
	rules, _ := n.PolicyRules() // the configuration is checked
	return func(t *journal.Table) (p merge.Policies) {
		for _, c := range t.Columns {
			policy, _ := config.PolicyOf(rules, t.Name, c.Name)
			p.Set(merge.Bit(c.Bit), policy)
		}
		return p
	}
}

// Hook returns the program that the configuration has for after an import.
func (n *Node) Hook() *hook.Hook {
	return &hook.Hook{Home: n.Home, Node: n.Node, Database: n.Config.Database(), Command: n.Hooks.AfterImport, Timeout: n.Hooks.Limit()}
}

// DownByDefault returns the names of tables that go down only because nobody named them and they belong to nobody's records.
func DownByDefault(cat *schema.Catalogue) []string {
	var out []string
	for _, t := range cat.Tables {
		if t.DownByDefault && t.Replicated {
			out = append(out, t.Name)
		}
	}
	return out
}

// NotExchanged returns the tables that are not exchanged although nobody decided so.
func NotExchanged(cat *schema.Catalogue) []*schema.Table {
	var out []*schema.Table
	for _, t := range cat.Tables {
		if !t.Replicated && t.Why != "profile: never" {
			out = append(out, t)
		}
	}
	return out
}

// WrongTriggers names the tables whose triggers are not as they should be, until a command that changes the node has run.
func (n *Node) WrongTriggers(ctx context.Context) ([]string, error) {
	return capture.WrongTriggers(ctx, n.Journal)
}
