package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/schema"
)

// gateWait is how long a command waits for other runs that hold the database's gate.
const gateWait = 2 * time.Minute

// node is an opened home folder: its configuration, and what of the rest a command asked for.
type node struct {
	*config
	lock     *os.File
	keys     *keys.Identity
	db       *sql.DB
	database string
	journal  *journal.Journal
}

// open opens the home folder for its configuration alone. change: for a command that changes something, which must be the
// only one.
func (g *global) open(change bool) (*node, error) {
	dir, err := g.dir()
	if err != nil {
		return nil, err
	}
	c, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	n := &node{config: c}
	if change {
		if n.lock, err = waitLock(context.Background(), dir, commandWait); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// openAll opens the home folder, the keys and the database.
func (g *global) openAll(cmd *cobra.Command, change bool) (*node, error) {
	n, err := g.open(change)
	if err != nil {
		return nil, err
	}
	if err = n.loadKeys(); err == nil {
		err = n.load(cmd.Context(), cmd.ErrOrStderr())
	}
	if err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// openUpgraded opens all as openAll does for a command that does not hold the lock, after an upgrade under the lock if one is due.
func (g *global) openUpgraded(cmd *cobra.Command) (*node, error) {
	n, err := g.openAll(cmd, false)
	var other *journal.FormatError
	if !errors.As(err, &other) || !other.Old() {
		return n, err
	}
	if n, err = g.openAll(cmd, true); err != nil {
		return nil, err
	}
	n.Close()
	return g.openAll(cmd, false)
}

// exchange is the node as package exchange wants it.
func (n *node) exchange(cmd *cobra.Command) *exchange.Node {
	x := &exchange.Node{Home: n.home, Name: n.Node, Journal: n.journal, Keys: n.keys, Policy: n.policy(), Reindex: n.Hooks.Reindex, Wait: gateWait,
		Features: features.Present()}
	if isTerminal(cmd.ErrOrStderr()) {
		x.Progress = func(label string, unit exchange.Unit) exchange.Bar {
			return newProgress(cmd.ErrOrStderr(), label, unit)
		}
	}
	return x
}

// Close gives back all that was opened.
func (n *node) Close() {
	if n.db != nil {
		n.db.Close()
	}
	if n.lock != nil {
		n.lock.Close()
	}
}

// loadKeys reads the node's keys.
func (n *node) loadKeys() (err error) {
	n.keys, err = keys.Load(n.home, n.Node)
	if errors.Is(err, fs.ErrNotExist) {
		return hinted(err, "omsync --home %s init makes them", n.home)
	}
	return err
}

// connect opens the database and sees that it answers.
func (n *node) connect(ctx context.Context) error {
	dsn, err := n.dsn()
	if err != nil {
		return err
	}
	if n.db, n.database, err = sqldb.Open(dsn); err != nil {
		return err
	}
	if err := n.db.PingContext(ctx); err != nil {
		return n.explain(err)
	}
	return nil
}

// explain says in people's words why the server does not let this node in.
func (n *node) explain(err error) error {
	d, e := parseDSN(n.DSN)
	if e != nil {
		return e
	}
	where := fmt.Sprintf("%s(%s)", d.Net, d.Addr)
	var network *net.OpError
	switch number := sqldb.ErrorNumber(err); {
	case number == sqldb.ErrAccessDenied || number == sqldb.ErrAuthPluginMismatch:
		return hinted(fmt.Errorf("the server at %s does not let %s in: %w", where, d.User, err), "look at the user and the password in %s", n.dsnSource())
	case number == sqldb.ErrDBAccessDenied:
		return hinted(fmt.Errorf("the account has no rights to the database: %w", err), "as an administrator: GRANT %s ON %s.* TO the account", allPrivileges, schema.Quote(d.DBName))
	case number == sqldb.ErrBadDB:
		return hinted(fmt.Errorf("the server at %s has no database %s: %w", where, d.DBName, err), "look at the database's name in %s", n.dsnSource())
	case errors.As(err, &network):
		return hinted(fmt.Errorf("the database server at %s does not answer: %w", where, network.Err), "is it running? its address stands in %s", n.dsnSource())
	}
	return fmt.Errorf("connect to the database at %s: %w", where, err)
}

// dsnSource is where the DSN stands: at the first init only on the command line.
func (n *node) dsnSource() string {
	path := filepath.Join(n.home, configName)
	if _, err := os.Stat(path); err != nil {
		return "--dsn"
	}
	return path
}

// load reads the catalogue and the journal.
func (n *node) load(ctx context.Context, stderr io.Writer) error {
	if err := n.connect(ctx); err != nil {
		return err
	}
	p, err := n.profile()
	if err != nil {
		return err
	}
	cat, err := schema.Read(ctx, n.db, n.database, p)
	if err != nil {
		return err
	}
	if err := n.checkPolicy(cat); err != nil {
		return err
	}
	if err := n.checkHooks(p); err != nil {
		return err
	}
	if n.lock != nil {
		if err := n.upgrade(ctx, cat, p, stderr); err != nil {
			return err
		}
	}
	n.journal, err = journal.Load(ctx, n.db, cat, p)
	switch {
	case errors.Is(err, journal.ErrNone):
		return hinted(fmt.Errorf("the database %s has no omsync tables", n.database), "omsync --home %s init makes them", n.home)
	case err != nil:
		return err
	case n.journal.Self != n.Node:
		return hinted(fmt.Errorf("the database %s belongs to the node %s, and %s says %s", n.database, n.journal.Self, configName, n.Node),
			"is the dsn in %s/%s right?", n.home, configName)
	}
	n.journal.Warn = warner(stderr)
	return nil
}

// upgrade brings the tables of an earlier omsync to this one's form. The caller holds the lock.
func (n *node) upgrade(ctx context.Context, cat *schema.Catalogue, p *schema.Profile, stderr io.Writer) error {
	say := func(format string, args ...any) { fmt.Fprintf(stderr, "omsync: "+format+"\n", args...) }
	err := capture.Upgrade(ctx, n.db, cat, p, n.Node, say, warner(stderr))
	if errors.Is(err, journal.ErrNone) {
		return nil
	}
	return err
}

// checkPolicy finds policies for tables that are not there: a spelling error would pass unseen. The others get their
// tables' exact names.
func (n *node) checkPolicy(cat *schema.Catalogue) error {
	exact := map[string]string{}
	for name, policy := range n.Policy {
		t := cat.Table(name)
		if t == nil {
			return fmt.Errorf("%s/%s has a policy for the table %s, which the database does not have", n.home, configName, name)
		}
		exact[t.Name] = policy
	}
	n.Policy = exact
	return nil
}

// follow brings triggers and journal in line with the database, and tells what it found.
func (n *node) follow(ctx context.Context) error {
	f, err := capture.Reconcile(ctx, n.journal, gateWait)
	if err != nil {
		return err
	}
	for _, t := range f.Missed {
		n.journal.Warn("the triggers of %s were missing: changes made meanwhile were not seen, so the whole table is sent again", t)
	}
	return nil
}

// warner prints what a person should know.
func warner(w io.Writer) func(string, ...any) {
	return func(format string, args ...any) { fmt.Fprintf(w, "omsync: warning: "+format+"\n", args...) }
}
