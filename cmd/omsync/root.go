package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/hook"
)

// envHome names the home folder where --home does not.
const envHome = "OMSYNC_HOME"

// global holds the flags that all commands have.
type global struct {
	home string
	wait time.Duration // less than 0: as long as a person may want to
}

func newRoot() *cobra.Command {
	g := &global{}
	root := &cobra.Command{
		Use:   "omsync",
		Short: "Keep OpenMRS databases in step by files",
		Long: `omsync carries what changed from one site's OpenMRS database to another's as signed, encrypted files: by USB stick,
network share, bucket, a hub's server or any program that copies files. Each node has a home folder with its configuration
and keys.

` + exitHelp,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&g.home, "home", "", "the node's home folder (default: the environment variable "+envHome+")")
	root.PersistentFlags().DurationVar(&g.wait, "wait", -1, "how long to wait for another run on this node to end, such as 0s or 10m (default: on a terminal until it ends, else two seconds)")
	root.PersistentFlags().Lookup("wait").DefValue = "0s" // the usage says it
	root.SetVersionTemplate("omsync {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return failure.Hinted(err, "%s --help lists the flags", c.CommandPath())
	})
	root.AddCommand(newInit(g), newCard(g), newPeer(g), newExport(g), newMatch(g), newImport(g), newInbox(g), newQuarantine(g), newConflicts(g), newMend(g), newUndo(g), newVerify(g), newPush(g), newPull(g), newSync(g), newAgent(g), newServe(g), newInvite(g), newJoin(g), newStatus(g), newSelfCheck(g), newPage(g), newTables(g), newScope(g), newFetch(g), newInspect(g), newNewClinic(g), newDoctor(g), newHome(g), newKeys(g), newUninstall(g), newVersion(), newMan())
	return root
}

// oneArg takes one argument; without it a command asks, and with more it says what it takes.
func oneArg(question string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 1:
			return nil
		case 0:
			return failure.Hinted(errors.New(question), "%s", cmd.UseLine())
		}
		return failure.Hinted(fmt.Errorf("%q is one argument too many", args[1]), "%s", cmd.UseLine())
	}
}

// dir is the home folder that the user means. It is not for root if it is somebody else's: the files that root made would be
// closed to their owner's next run.
func (g *global) dir() (string, error) {
	dir := cmp.Or(g.home, os.Getenv(envHome))
	if dir != "" {
		if name := config.Owner(dir); name != "" && os.Geteuid() == 0 {
			return "", failure.Hinted(fmt.Errorf("the home folder %s belongs to %s, and you are root: %[2]s could not read what you make there", dir, name),
				"sudo -u %s omsync --home %s ...", name, dir)
		}
		return dir, nil
	}
	return "", failure.Hinted(errors.New("which node? no home folder is named"), "add --home DIR, or set %s", envHome)
}

// patience is how long a command waits for another run on the node, such as the server's: a person until it ends, who can end the wait; a
// program that nobody watches a moment, as it comes again by itself. What a hook runs never sees the end of the run that started it.
func (g *global) patience(cmd *cobra.Command) node.Patience {
	p := node.Patience{Most: g.wait, Say: func() {
		fmt.Fprintln(cmd.ErrOrStderr(), "omsync: another omsync run is at work on this node: waiting for it to end")
	}}
	switch {
	case g.wait == 0:
		p.Most = -1
	case g.wait > 0:
	case (isTerminal(cmd.InOrStdin()) || isTerminal(cmd.ErrOrStderr())) && !hook.Running():
		p.Most = forever
	default:
		p.Most = 0
	}
	return p
}

// forever is longer than any run.
const forever = 365 * 24 * time.Hour

// open opens the home folder for its configuration alone.
func (g *global) open(cmd *cobra.Command, use node.Use) (*node.Node, error) {
	dir, err := g.dir()
	if err != nil {
		return nil, err
	}
	return node.OpenPatient(cmd.Context(), dir, use, g.patience(cmd))
}

// openAll opens the home folder, the keys and the database.
func (g *global) openAll(cmd *cobra.Command, use node.Use) (*node.Node, error) {
	dir, err := g.dir()
	if err != nil {
		return nil, err
	}
	l := listener(cmd.ErrOrStderr())
	l.Patience = g.patience(cmd)
	return node.OpenAll(cmd.Context(), dir, use, l)
}
