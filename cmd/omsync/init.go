package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/doctor"
	"github.com/omsync/omsync/node/preflight"
	"github.com/omsync/omsync/schema"
)

type initOptions struct {
	config.Config
	kind    string
	leave   bool
	newKeys bool
	cloned  cloneOptions
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
machine can see it in the list of processes while init runs, and the shell may keep it in its history. --password-env and
--password-file avoid that, and so does --dsn -, which reads the DSN from standard input.

A clinic whose database is loaded from a dump of its hub's, with the omsync_ tables and triggers, needs no full load: --cloned-from names the
file with the hub's card. Then add the clinic's card at the hub, and exchange: omsync sync at the clinic, at the hub, and at the clinic.`,
		Example: `  omsync --home /var/lib/omsync init --node kisumu --dsn 'omsync@unix(/run/mysqld/mysqld.sock)/openmrs' --password-file /etc/omsync-password`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runInit(cmd, g, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Node, "node", "", "the node's name: lower-case letters, digits and dashes")
	f.StringVar(&o.DSN, "dsn", "", "the database, as user:password@unix(/socket)/name or user:password@tcp(host:port)/name; - reads it from standard input")
	f.StringVar(&o.PasswordEnv, "password-env", "", "take the database's password from this environment variable, at every run")
	f.StringVar(&o.PasswordFile, "password-file", "", "take the database's password from this file, at every run")
	f.StringVar(&o.Profile, "profile", "", "the data model, openmrs or none (detected if absent)")
	f.StringVar(&o.ProfileFile, "profile-file", "", "a profile of your own on top of it (TOML)")
	f.StringVar(&o.kind, "keys", string(keys.Hybrid), "kind of the encryption key: hybrid (post-quantum), or x25519 where bytes are dear")
	f.BoolVar(&o.leave, "leave-tables", false, "go on although some tables cannot be exchanged")
	f.StringVar(&o.cloned.from, "cloned-from", "", "the database is a copy of the parent's, whose card is in this file: no full load is needed")
	f.BoolVar(&o.cloned.said, "copied-files", false, "with --cloned-from: the copy was made of the server's files, and not by a dump")
	f.StringVar(&o.cloned.trust.fingerprint, "fingerprint", "", "with --cloned-from: the fingerprint that the parent's card must have")
	f.BoolVar(&o.cloned.trust.yes, "yes", false, "with --cloned-from: trust the parent's card without asking")
	cmd.MarkFlagsMutuallyExclusive("fingerprint", "yes")
	f.BoolVar(&o.newKeys, "new-keys", false, "make new keys for a database that is a node already and whose keys are lost")
	return cmd
}

func runInit(cmd *cobra.Command, g *global, o *initOptions) error {
	ctx := cmd.Context()
	dir, err := g.dir()
	if err != nil {
		return err
	}
	if err := o.readDSN(cmd); err != nil {
		return err
	}
	n, fresh, err := o.prepare(dir)
	if err != nil {
		return err
	}
	defer n.Close()
	p, cat, err := checkDatabase(cmd, n, o.leave || !fresh)
	if err != nil {
		return err
	}
	madeDir := false
	if fresh { // from here on something is left behind if it goes wrong, and the next init goes on with it
		if madeDir, err = makeHome(dir); err != nil {
			return err
		}
	}
	if err := n.Lock(ctx, g.patience(cmd)); err != nil {
		return err
	}
	if fresh {
		if err := n.Write(); err != nil {
			return err
		}
	}
	madeKeys, err := o.makeKeys(ctx, n)
	if err != nil {
		return errors.Join(err, takeBack(n, fresh, madeDir))
	}
	if err := o.cloned.clone(cmd, n, cat, p); err != nil {
		return errors.Join(err, takeBack(n, fresh, false))
	}
	listener := listener(cmd.ErrOrStderr())
	if err := n.Upgrade(ctx, cat, p, listener); err != nil {
		return err
	}
	if there, err := journal.NodeName(ctx, n.DB); err == nil && there == n.Node { // it says what was missed
		if n.Journal, err = journal.Load(ctx, n.DB, cat, p); err != nil {
			return err
		}
		n.Journal.Warn = listener.Warn
		if err := n.CheckPlace(ctx); err != nil {
			return err
		}
		if err := n.Reconcile(ctx); err != nil {
			return err
		}
	}
	if n.Journal, err = capture.Init(ctx, n.DB, cat, p, n.Node, time.Now, listener.Warn); err != nil {
		return err
	}
	if err := n.Adopt(ctx); err != nil {
		return err
	}
	printInit(cmd, n, fresh, madeKeys)
	return initDoctor(cmd, n)
}

// initDoctor says what is wrong that init has not said itself. Nothing of it makes init fail: the node is there.
func initDoctor(cmd *cobra.Command, n *node.Node) error {
	found, err := doctor.Examine(cmd.Context(), n, doctor.Options{Init: true})
	found = slices.DeleteFunc(found, func(f doctor.Finding) bool { return f.Level == doctor.OK })
	if err != nil || len(found) == 0 {
		return err
	}
	return printFindings(cmd.ErrOrStderr(), found)
}

// readDSN reads a DSN from standard input if it is to come from there, and warns of a password that stood on the command line.
func (o *initOptions) readDSN(cmd *cobra.Command) (err error) {
	if o.DSN == fromInput {
		o.DSN, err = readSecret(cmd, "DSN")
		return err
	}
	if d, err := config.ParseDSN(o.DSN); err == nil && d.Passwd != "" {
		warner(cmd.ErrOrStderr())("other users of this machine can see the password in the list of processes while init runs: if there are any, change it, and use --password-file or --dsn -")
	}
	return nil
}

// printInit says what there is now, and what to take care of.
func printInit(cmd *cobra.Command, n *node.Node, fresh, madeKeys bool) {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "node %s: database %s, profile %s, %d of %d tables exchanged\n", n.Node, n.Database, n.Profile, len(n.Journal.Replicated()),
		len(n.Journal.Catalogue.Tables))
	if tables := node.DownByDefault(n.Journal.Catalogue); len(tables) > 0 {
		fmt.Fprintln(out, downByDefaultText(tables))
	}
	if d, err := config.ParseDSN(n.DSN); err == nil && d.Passwd != "" && fresh {
		fmt.Fprintf(cmd.ErrOrStderr(), "omsync: the database's password is stored in %s, which only its owner can read\n", filepath.Join(n.Home, config.Name))
	}
	if madeKeys {
		fmt.Fprintf(cmd.ErrOrStderr(), "omsync: the node's keys are in %s: keep a backup of that folder in a safe place\n", n.Home)
	}
	fmt.Fprintf(out, "its card, for its peers: omsync --home %s card\n", n.Home)
}

// prepare reads the configuration, or takes it from the flags if there is none (fresh).
func (o *initOptions) prepare(dir string) (n *node.Node, fresh bool, err error) {
	if _, err := os.Stat(filepath.Join(dir, config.Name)); errors.Is(err, fs.ErrNotExist) {
		for _, f := range []struct{ name, value string }{{"node", o.Node}, {"dsn", o.DSN}} {
			if f.value == "" {
				return nil, false, failure.Hinted(fmt.Errorf("init needs --%s", f.name), "omsync --home %s init --node NAME --dsn 'user:password@unix(/path/to/socket)/database'", dir)
			}
		}
		c := o.Config
		c.Home = dir
		for _, path := range []*string{&c.PasswordFile, &c.ProfileFile} { // flags count from here, the configuration from the home folder
			if *path != "" {
				if *path, err = filepath.Abs(*path); err != nil {
					return nil, false, err
				}
			}
		}
		return &node.Node{Config: &c}, true, c.Check()
	} else if err != nil {
		return nil, false, fmt.Errorf("look at the home folder: %w", err)
	}
	c, err := config.Read(dir)
	if err != nil {
		return nil, false, err
	}
	for _, f := range []struct{ name, here, there string }{
		{"node", o.Node, c.Node}, {"dsn", o.DSN, c.DSN}, {"profile", o.Profile, c.Profile}, {"password-env", o.PasswordEnv, c.PasswordEnv},
	} {
		if f.here != "" && f.here != f.there {
			return nil, false, failure.Hinted(fmt.Errorf("--%s differs from what %s says, and init does not change that file", f.name, filepath.Join(dir, config.Name)),
				"leave the flag out, or edit the file")
		}
	}
	return &node.Node{Config: c}, false, nil
}

// checkDatabase looks at the database before anything is changed.
// leave: tables that cannot be exchanged are worth a warning only.
func checkDatabase(cmd *cobra.Command, n *node.Node, leave bool) (*schema.Profile, *schema.Catalogue, error) {
	ctx := cmd.Context()
	if err := n.Connect(ctx); err != nil {
		return nil, nil, err
	}
	if err := chooseProfile(ctx, n); err != nil {
		return nil, nil, err
	}
	p, cat, err := n.ReadCatalogue(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := preflight.Check(ctx, n.DB, n.Database); err != nil {
		return nil, nil, err
	}
	warn := warner(cmd.ErrOrStderr())
	for _, note := range cat.Notes {
		warn("%s", note)
	}
	writers, err := capture.Writers(ctx, n.DB, cat)
	if err != nil {
		return nil, nil, err
	}
	if len(writers) > 0 {
		warn("triggers of the application write to tables that are exchanged, also when omsync brings a row; what they make then stays here and is made twice where the sender's comes too. "+
			"Let them do nothing where @omsync_quiet is not NULL:\n  %s", strings.Join(writers, "\n  "))
	}
	nameless, err := node.Nameless(ctx, n.DB, cat)
	if err != nil {
		return nil, nil, err
	}
	if len(nameless) > 0 {
		warn("rows that stay here, with what refers to them, until each has a key of its own, the same at every site that has the row (omsync doctor --fix uuids):\n  %s", strings.Join(nameless, "\n  "))
	}
	if bad := node.NotExchanged(cat); len(bad) > 0 {
		var lines []string
		for _, t := range bad {
			lines = append(lines, t.Name+": "+t.Why)
		}
		if !leave {
			return nil, nil, &failure.Failure{Code: failure.Schema, Err: fmt.Errorf("%d tables cannot be exchanged:\n  %s", len(bad), strings.Join(lines, "\n  ")),
				Hint: "mend them, or name them under never in a profile file (--profile-file), or add --leave-tables"}
		}
		warn("not exchanged:\n  %s", strings.Join(lines, "\n  "))
	}
	return p, cat, nil
}

// chooseProfile detects the data model, unless the user has said which it is: then it must be there.
func chooseProfile(ctx context.Context, n *node.Node) error {
	var tables []string
	err := sqldb.Each(ctx, n.DB, "SHOW TABLES", func(r []sql.RawBytes) error { tables = append(tables, string(r[0])); return nil })
	if err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	if len(tables) == 0 {
		return &failure.Failure{Code: failure.Schema, Err: fmt.Errorf("the database %s has no tables that this account can see", n.Database),
			Hint: "make the application's tables first; if they are there, as an administrator: GRANT " + preflight.AllPrivileges + " on the database"}
	}
	found := schema.Detect(tables)
	if n.Profile == "" {
		n.Profile = found
	}
	if n.Profile == "openmrs" && found != "openmrs" {
		return &failure.Failure{Code: failure.Schema, Err: fmt.Errorf("the database %s is not OpenMRS: it lacks tables that every OpenMRS has", n.Database),
			Hint: "is it the right database? for another schema use --profile none"}
	}
	return nil
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

// takeBack takes back what a first init made in the home folder, so that the next can choose another name.
func takeBack(n *node.Node, fresh, madeDir bool) error {
	if !fresh {
		return nil
	}
	err := os.Remove(filepath.Join(n.Home, config.Name))
	if madeDir {
		err = errors.Join(err, os.Remove(n.LockPath()), os.Remove(n.Home))
	}
	return err
}

// makeKeys loads the node's keys or makes them. A database that is a node already has keys somewhere: new ones would make
// it a stranger to its peers.
func (o *initOptions) makeKeys(ctx context.Context, n *node.Node) (made bool, err error) {
	there, err := journal.NodeName(ctx, n.DB)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return false, err
	}
	if there != "" && there != n.Node && o.cloned.from == "" {
		return false, failure.Hinted(fmt.Errorf("the database %s is the node %s already", n.Database, there), "use that name and its home folder; "+
			"if this database is a copy of that node's, and that is to be its parent: --cloned-from CARD; if it is another copy: omsync uninstall --dsn DSN takes omsync out of it, and then init makes it a node of its own")
	}
	n.Keys, err = keys.Load(n.Home, n.Node)
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if there == n.Node && !o.newKeys {
		return false, failure.Hinted(fmt.Errorf("the database %s is the node %s already, and its keys are not in %s", n.Database, n.Node, n.Home),
			"use the home folder that has them or restore it from a backup; if they are lost, --new-keys makes new ones, and each peer revokes the old ones (omsync peer revoke) and adds the new card")
	}
	n.Keys, err = keys.Create(n.Home, n.Node, keys.Kind(o.kind))
	return err == nil, err
}
