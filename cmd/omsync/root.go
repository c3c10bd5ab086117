package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"
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
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&g.home, "home", "", "the node's home folder (default: the environment variable "+envHome+")")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return hinted(err, "%s --help lists the flags", c.CommandPath())
	})
	root.AddCommand(newInit(g), newCard(g), newPeer(g), newExport(g), newImport(g), newPush(g), newPull(g), newSync(g), newServe(g), newInvite(g), newJoin(g), newStatus(g), newInspect(g), newUninstall(g), newVersion(), newMan())
	return root
}

// dir is the home folder that the user means.
func (g *global) dir() (string, error) {
	if g.home != "" {
		return g.home, nil
	}
	if dir := os.Getenv(envHome); dir != "" {
		return dir, nil
	}
	return "", hinted(errors.New("which node? no home folder is named"), "add --home DIR, or set %s", envHome)
}
