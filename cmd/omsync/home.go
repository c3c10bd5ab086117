package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/backup"
)

func newHome(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "home",
		Short: "Back up the home folder, put it back, and say that it is the node",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newHomeBackup(g), newHomeRestore(g), newHomeAdopt(g))
	return cmd
}

type homeBackupOptions struct{ to, passphrase string }

func newHomeBackup(g *global) *cobra.Command {
	o := &homeBackupOptions{}
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the home folder into one encrypted file",
		Long: `Write the home folder into one encrypted file: the configuration, the keys, the server's certificate, what is known of the links,
lists and decisions, and the cards of the peers, which the database has. The database is not in it. Files that wait in the inbox and the
outbox are not either: they come and go again.

The file opens with a passphrase, which is asked for on a terminal, or by the node whose card --to names: for a clinic, its hub. Keep it
away from this computer, and make a new one after omsync join, a change of the configuration or of the keys: omsync doctor says when.
Whoever can open it is this node.`,
		Example: `  omsync --home /var/lib/omsync home backup /media/stick/kisumu.backup.age
  omsync --home /var/lib/omsync home backup /backup/kisumu.backup.age --to hub.card`,
		Args: oneArg("write the backup into which file?"),
		RunE: func(cmd *cobra.Command, args []string) error { return runHomeBackup(cmd, g, o, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&o.to, "to", "", "encrypt to the card in this file, of the node that is to open it")
	f.StringVar(&o.passphrase, "passphrase-file", "", "take the passphrase from the first line of this file; - reads it from standard input")
	cmd.MarkFlagsMutuallyExclusive("to", "passphrase-file")
	return cmd
}

func runHomeBackup(cmd *cobra.Command, g *global, o *homeBackupOptions, file string) error {
	n, err := g.open(cmd, node.Read)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.LoadKeys(); err != nil {
		return err
	}
	if _, err := os.Lstat(file); err == nil {
		return failure.Hinted(fmt.Errorf("%s is there already", file), "name another file: a backup replaces none")
	}
	seal, err := o.seal(cmd)
	if err != nil {
		return err
	}
	peers, err := peersToKeep(cmd.Context(), n)
	if err != nil {
		warner(cmd.ErrOrStderr())("the peers' cards are not in it, since the database does not say which they are: %v", err)
	}
	now := time.Now()
	said, err := writeBackup(file, seal, func(w io.Writer) (*backup.Written, error) { return backup.Write(w, n.Config, n.Keys, peers, now) })
	if err != nil {
		return err
	}
	for _, name := range said.Left {
		warner(cmd.ErrOrStderr())("%s is not in it: it is no plain file", filepath.Join(n.Home, name))
	}
	for _, name := range said.Outside {
		warner(cmd.ErrOrStderr())("%s is not in it, and the configuration names it: keep it yourself", name)
	}
	if err := backup.SaveRecord(n.Config, now); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s and %s of %s, fingerprint %s\n", file, count(int64(said.Files-len(peers)-1), "file"), count(int64(len(peers)), "peer"), n.Node, n.Keys.Card().Fingerprint())
	return err
}

// peersToKeep returns the peers of the database that are not removed.
func peersToKeep(ctx context.Context, n *node.Node) ([]backup.Peer, error) {
	if err := n.Connect(ctx); err != nil {
		return nil, err
	}
	if err := n.CheckOwner(ctx); err != nil {
		return nil, err
	}
	all, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	var out []backup.Peer
	for _, p := range all {
		out = append(out, backup.Peer{Name: p.Name, Role: string(p.Role), Card: p.Card})
	}
	return out, nil
}

// seal returns what encrypts.
func (o *homeBackupOptions) seal(cmd *cobra.Command) (func(io.Writer) (io.WriteCloser, error), error) {
	if o.to != "" {
		text, err := os.ReadFile(o.to)
		if err != nil {
			return nil, fmt.Errorf("read the card: %w", err)
		}
		card, err := keys.ParseCard(text)
		return card.Encrypt, err
	}
	passphrase, err := readPassphrase(cmd, o.passphrase, true)
	if err == nil {
		err = keys.CheckPassphrase(passphrase)
	}
	return func(w io.Writer) (io.WriteCloser, error) { return keys.EncryptWith(passphrase, w) }, err
}

// writeBackup writes a file, private to its owner, whole or not at all.
func writeBackup(file string, seal func(io.Writer) (io.WriteCloser, error), write func(io.Writer) (*backup.Written, error)) (said *backup.Written, err error) {
	dir, name := filepath.Split(file)
	temp := filepath.Join(dir, "."+name+".new")
	err = os.Remove(temp) // of a run that was killed
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("write the backup: %w", err)
	}
	w, err := seal(f)
	if err == nil {
		if said, err = write(w); err == nil {
			err = w.Close()
		}
	}
	if err == nil {
		err = durable.Synced(f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, file)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write the backup: %w", err), os.Remove(temp))
	}
	return said, durable.SyncDir(filepath.Clean(dir))
}

// readPassphrase reads a passphrase from a file, or asks for it; a new one twice.
func readPassphrase(cmd *cobra.Command, file string, fresh bool) (string, error) {
	in := cmd.InOrStdin()
	switch {
	case file == fromInput:
		return readSecret(cmd, "passphrase")
	case file != "":
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("read the passphrase: %w", err)
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxSecret))
		line, _, _ := bytes.Cut(text, []byte("\n"))
		if line = bytes.TrimSpace(line); err == nil && len(line) == 0 {
			err = fmt.Errorf("the first line of %s is empty", file)
		}
		return string(line), err
	case !isTerminal(in):
		return "", failure.Hinted(errNotTerminal, "add --passphrase-file FILE, or --passphrase-file - to give it on standard input, or encrypt to a card")
	}
	ask := func(question string) (string, error) {
		fmt.Fprint(cmd.ErrOrStderr(), question)
		line, err := term.ReadPassword(int(in.(*os.File).Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		return strings.TrimSpace(string(line)), err
	}
	first, err := ask("Passphrase: ")
	if err != nil || !fresh {
		return first, err
	}
	switch second, err := ask("Once more: "); {
	case err != nil:
		return "", err
	case first != second:
		return "", errors.New("the two are not the same")
	}
	return first, nil
}

func newHomeAdopt(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "adopt",
		Short: "Say that this home folder and its database are the node from now on",
		Long: `Say that this home folder and the database that its configuration names are the node from now on, and no other: they were moved to another
machine, or a copy of them takes the place of what was there. omsync asks for that where both are at another place than when they were last
used together. Take omsync out of the other copy (omsync uninstall), or delete it: two copies must not exchange files with the same peers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := g.open(cmd, node.Change)
			if err != nil {
				return err
			}
			defer n.Close()
			if err := n.Connect(cmd.Context()); err != nil {
				return err
			}
			if err := n.Adopt(cmd.Context()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is the database %s with the home folder %s from now on\n", n.Node, n.Database, n.Home)
			return err
		},
	}
}

type homeRestoreOptions struct{ identity, passphrase, fingerprint string }

func newHomeRestore(g *global) *cobra.Command {
	o := &homeRestoreOptions{}
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put the home folder back from its backup",
		Long: `Put back what omsync home backup wrote, into the folder that --home names. It need not be there. What is there stays: files that differ
from the backup's are named, and a folder that holds other keys is refused. The database is not touched.

Compare the fingerprint with what the node's peers have (omsync peer list): a file that somebody else made may hold another node, and
settings that run programs. --fingerprint does that.`,
		Example: `  omsync --home /var/lib/omsync home restore /media/stick/kisumu.backup.age
  omsync --home /tmp/kisumu home restore kisumu.backup.age --identity /var/lib/omsync/hub.identity.age.txt`,
		Args: oneArg("put back which file?"),
		RunE: func(cmd *cobra.Command, args []string) error { return runHomeRestore(cmd, g, o, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&o.identity, "identity", "", "the NAME.identity.age.txt of the node to whose card it was encrypted")
	f.StringVar(&o.passphrase, "passphrase-file", "", "take the passphrase from the first line of this file; - reads it from standard input")
	f.StringVar(&o.fingerprint, "fingerprint", "", "the fingerprint that the node's card must have")
	cmd.MarkFlagsMutuallyExclusive("identity", "passphrase-file")
	return cmd
}

func runHomeRestore(cmd *cobra.Command, g *global, o *homeRestoreOptions, file string) error {
	home, err := g.dir()
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	defer f.Close()
	open := func() (io.Reader, error) { return keys.DecryptBy(o.identity, f) }
	if o.identity == "" {
		passphrase, err := readPassphrase(cmd, o.passphrase, false)
		if err != nil {
			return err
		}
		open = func() (io.Reader, error) { return keys.DecryptWith(passphrase, f) }
	}
	if _, err := os.Stat(home); err == nil { // no run of this node is at work meanwhile
		lock, err := g.patience(cmd).Acquire(cmd.Context(), home)
		if err != nil {
			return err
		}
		defer lock.Release()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at the home folder: %w", err)
	}
	plain, err := open()
	if err != nil {
		return failure.Hinted(&failure.Failure{Code: failure.Trust, Err: fmt.Errorf("open %s: %w", file, err)}, "a backup that was encrypted to a card opens with --identity, another with its passphrase")
	}
	done, err := backup.Restore(plain, home, o.fingerprint)
	if err != nil {
		return err
	}
	printRestored(cmd, home, done)
	return nil
}

func printRestored(cmd *cobra.Command, home string, done *backup.Restored) {
	out, warn := cmd.OutOrStdout(), warner(cmd.ErrOrStderr())
	fmt.Fprintf(out, "%s: %s put back into %s, as of %s, fingerprint %s\n", done.Node, count(int64(done.Put), "file"), home, done.Made.Local().Format("2006-01-02 15:04"), done.Fingerprint)
	for _, name := range done.Kept {
		warn("%s differs from the backup's, and stays: to have the backup's, move it away and run this again", filepath.Join(home, name))
	}
	for _, name := range done.Outside {
		warn("the configuration names %s, which is in no backup of the home folder", name)
	}
	if len(done.Runs) > 0 {
		warn("after an import the configuration runs %q: is that meant?", failure.Printable(strings.Join(done.Runs, " ")))
	}
	for _, p := range done.Peers {
		fmt.Fprintf(out, "if the database is lost too: omsync --home %s peer add %s --as %s\n", home, filepath.Join(home, "peers", p.Name+".card"), p.Role)
	}
}
