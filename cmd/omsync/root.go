package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
)

// envHome names the home folder where --home does not.
const envHome = "OMSYNC_HOME"

// global holds the flags that all commands have.
type global struct {
	home string
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
	root.SetVersionTemplate("omsync {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return failure.Hinted(err, "%s --help lists the flags", c.CommandPath())
	})
	root.AddCommand(newInit(g), newCard(g), newPeer(g), newExport(g), newMatch(g), newImport(g), newInbox(g), newQuarantine(g), newConflicts(g), newMend(g), newUndo(g), newVerify(g), newPush(g), newPull(g), newSync(g), newServe(g), newInvite(g), newJoin(g), newStatus(g), newPage(g), newTables(g), newScope(g), newFetch(g), newInspect(g), newNewClinic(g), newDoctor(g), newHome(g), newKeys(g), newUninstall(g), newVersion(), newMan())
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

// open opens the home folder for its configuration alone.
func (g *global) open(cmd *cobra.Command, use node.Use) (*node.Node, error) {
	dir, err := g.dir()
	if err != nil {
		return nil, err
	}
	return node.Open(cmd.Context(), dir, use)
}

// openAll opens the home folder, the keys and the database.
func (g *global) openAll(cmd *cobra.Command, use node.Use) (*node.Node, error) {
	dir, err := g.dir()
	if err != nil {
		return nil, err
	}
	return node.OpenAll(cmd.Context(), dir, use, listener(cmd.ErrOrStderr()))
}
