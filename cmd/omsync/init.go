package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/schema"
)

type initOptions struct {
	config
	kind    string
	leave   bool
	newKeys bool
}

func newInit(g *global) *cobra.Command {
	o := &initOptions{}
	cmd := &cobra.Command{
		Use:   "init --node NAME --dsn DSN",
		Short: "Make a database and a home folder a node",
		Long: `Make a database and a home folder a node: configuration, keys, the omsync tables and the triggers that note what the
application changes. The application's data is not touched. Run it again at any time: it goes on where it stopped, and
follows changes of the schema.

A password in --dsn is stored in the home folder's omsync.toml, which only its owner can read, but other users of this
machine can see it in the list of processes while init runs: --password-env and --password-file avoid that.`,
		Example: `  omsync --home /var/lib/omsync init --node kisumu --dsn 'omsync:secret@unix(/run/mysqld/mysqld.sock)/openmrs'`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runInit(cmd, g, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Node, "node", "", "the node's name: lower-case letters, digits and dashes")
	f.StringVar(&o.DSN, "dsn", "", "the database, as user:password@unix(/socket)/name or user:password@tcp(host:port)/name")
	f.StringVar(&o.PasswordEnv, "password-env", "", "take the database's password from this environment variable, at every run")
	f.StringVar(&o.PasswordFile, "password-file", "", "take the database's password from this file, at every run")
	f.StringVar(&o.Profile, "profile", "", "the data model, openmrs or none (detected if absent)")
	f.StringVar(&o.ProfileFile, "profile-file", "", "a profile of your own on top of it (TOML)")
	f.StringVar(&o.kind, "keys", string(keys.Hybrid), "kind of the encryption key: hybrid (post-quantum), or x25519 where bytes are dear")
	f.BoolVar(&o.leave, "leave-tables", false, "go on although some tables cannot be exchanged")
	f.BoolVar(&o.newKeys, "new-keys", false, "make new keys for a database that is a node already and whose keys are lost")
	return cmd
}

func runInit(cmd *cobra.Command, g *global, o *initOptions) error {
	ctx := cmd.Context()
	dir, err := g.dir()
	if err != nil {
		return err
	}
	n, fresh, err := o.prepare(cmd, dir)
	if err != nil {
		return err
	}
	defer n.Close()
	p, cat, err := n.check(cmd, o.leave || !fresh)
	if err != nil {
		return err
	}
	madeDir := false
	if fresh { // from here on something is left behind if it goes wrong, and the next init goes on with it
		if madeDir, err = makeHome(dir); err != nil {
			return err
		}
	}
	if n.lock, err = lock(dir); err != nil {
		return err
	}
	if fresh {
		if err := n.write(); err != nil {
			return err
		}
	}
	madeKeys, err := n.makeKeys(ctx, o)
	if err != nil {
		return errors.Join(err, undo(fresh, madeDir, dir, n.lock))
	}
	if err := n.upgrade(ctx, cat, p, cmd.ErrOrStderr()); err != nil {
		return err
	}
	warn := warner(cmd.ErrOrStderr())
	j, err := capture.Init(ctx, n.db, cat, p, n.Node, time.Now, warn)
	if err != nil {
		return err
	}
	n.journal = j
	say := cmd.OutOrStdout()
	fmt.Fprintf(say, "node %s: database %s, profile %s, %d of %d tables exchanged\n", n.Node, n.database, n.Profile, len(j.Replicated()), len(cat.Tables))
	if d, err := parseDSN(n.DSN); err == nil && d.Passwd != "" && fresh {
		fmt.Fprintf(cmd.ErrOrStderr(), "omsync: the database's password is stored in %s, which only its owner can read\n", filepath.Join(dir, configName))
	}
	if madeKeys {
		fmt.Fprintf(cmd.ErrOrStderr(), "omsync: the node's keys are in %s: keep a backup of that folder in a safe place\n", dir)
	}
	fmt.Fprintf(say, "its card, for its peers: omsync --home %s card\n", dir)
	return nil
}

// prepare reads the configuration, or takes it from the flags if there is none (fresh).
func (o *initOptions) prepare(cmd *cobra.Command, dir string) (n *node, fresh bool, err error) {
	if _, err := os.Stat(filepath.Join(dir, configName)); errors.Is(err, fs.ErrNotExist) {
		for _, f := range []struct{ name, value string }{{"node", o.Node}, {"dsn", o.DSN}} {
			if f.value == "" {
				return nil, false, hinted(fmt.Errorf("init needs --%s", f.name), "omsync --home %s init --node NAME --dsn 'user:password@unix(/path/to/socket)/database'", dir)
			}
		}
		c := o.config
		c.home = dir
		for _, path := range []*string{&c.PasswordFile, &c.ProfileFile} { // flags count from here, the configuration from the home folder
			if *path != "" {
				if *path, err = filepath.Abs(*path); err != nil {
					return nil, false, err
				}
			}
		}
		return &node{config: &c}, true, c.check()
	} else if err != nil {
		return nil, false, fmt.Errorf("look at the home folder: %w", err)
	}
	c, err := readConfig(dir)
	if err != nil {
		return nil, false, err
	}
	for _, f := range []struct{ name, here, there string }{
		{"node", o.Node, c.Node}, {"dsn", o.DSN, c.DSN}, {"profile", o.Profile, c.Profile}, {"password-env", o.PasswordEnv, c.PasswordEnv},
	} {
		if f.here != "" && f.here != f.there {
			return nil, false, hinted(fmt.Errorf("--%s differs from what %s says, and init does not change that file", f.name, filepath.Join(dir, configName)),
				"leave the flag out, or edit the file")
		}
	}
	return &node{config: c}, false, nil
}

// check looks at the database before anything is changed.
// leave: tables that cannot be exchanged are worth a warning only.
func (n *node) check(cmd *cobra.Command, leave bool) (*schema.Profile, *schema.Catalogue, error) {
	ctx := cmd.Context()
	if err := n.connect(ctx); err != nil {
		return nil, nil, err
	}
	var tables []string
	err := sqldb.Each(ctx, n.db, "SHOW TABLES", func(r []sql.RawBytes) error { tables = append(tables, string(r[0])); return nil })
	if err != nil {
		return nil, nil, fmt.Errorf("list the tables: %w", err)
	}
	if len(tables) == 0 {
		return nil, nil, &failure{exitSchema, fmt.Errorf("the database %s has no tables that this account can see", n.database),
			"make the application's tables first; if they are there, as an administrator: GRANT " + allPrivileges + " on the database"}
	}
	found := schema.Detect(tables)
	if n.Profile == "" {
		n.Profile = found
	}
	if n.Profile == "openmrs" && found != "openmrs" {
		return nil, nil, &failure{exitSchema, fmt.Errorf("the database %s is not OpenMRS: it lacks tables that every OpenMRS has", n.database),
			"is it the right database? for another schema use --profile none"}
	}
	p, err := n.profile()
	if err != nil {
		return nil, nil, err
	}
	cat, err := schema.Read(ctx, n.db, n.database, p)
	if err != nil {
		return nil, nil, err
	}
	if err := n.checkPolicy(cat); err != nil {
		return nil, nil, err
	}
	if err := n.preflight(ctx); err != nil {
		return nil, nil, err
	}
	warn := warner(cmd.ErrOrStderr())
	for _, note := range cat.Notes {
		warn("%s", note)
	}
	if bad := left(cat); len(bad) > 0 {
		var lines []string
		for _, t := range bad {
			lines = append(lines, t.Name+": "+t.Why)
		}
		if !leave {
			return nil, nil, &failure{exitSchema, fmt.Errorf("%d tables cannot be exchanged:\n  %s", len(bad), strings.Join(lines, "\n  ")),
				"mend them, or name them under never in a profile file (--profile-file), or add --leave-tables"}
		}
		warn("not exchanged:\n  %s", strings.Join(lines, "\n  "))
	}
	return p, cat, nil
}

// makeHome makes the home folder, private to its owner, and answers whether it was not there. An empty one is made private.
func makeHome(dir string) (made bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err, made = os.MkdirAll(dir, 0o700), true
	case err == nil && len(entries) == 0:
		err = os.Chmod(dir, 0o700)
	}
	if err != nil {
		return false, fmt.Errorf("make the home folder: %w", err)
	}
	return made, nil
}

// undo takes back what a first init made in the home folder, so that the next can choose another name.
func undo(fresh, madeDir bool, dir string, lock *os.File) error {
	if !fresh {
		return nil
	}
	err := os.Remove(filepath.Join(dir, configName))
	if madeDir {
		err = errors.Join(err, os.Remove(lock.Name()), os.Remove(dir))
	}
	return err
}

// makeKeys loads the node's keys or makes them. A database that is a node already has keys somewhere: new ones would make
// it a stranger to its peers.
func (n *node) makeKeys(ctx context.Context, o *initOptions) (made bool, err error) {
	there, err := journal.NodeName(ctx, n.db)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return false, err
	}
	if there != "" && there != n.Node {
		return false, hinted(fmt.Errorf("the database %s is the node %s already", n.database, there), "use that name and its home folder, or omsync uninstall there first")
	}
	n.keys, err = keys.Load(n.home, n.Node)
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if there != "" && !o.newKeys {
		return false, hinted(fmt.Errorf("the database %s is the node %s already, and its keys are not in %s", n.database, n.Node, n.home),
			"use the home folder that has them or restore it from a backup; if they are lost, --new-keys makes new ones, and each peer removes this node and adds its new card")
	}
	n.keys, err = keys.Create(n.home, n.Node, keys.Kind(o.kind))
	return err == nil, err
}
