package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/tables"
)

func newPeerRules(g *global) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "rules NAME",
		Short: "Say which tables go which way on the link to a peer, and why",
		Args:  oneArg("which peer?"),
		RunE:  func(cmd *cobra.Command, args []string) error { return runPeerRules(cmd, g, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func runPeerRules(cmd *cobra.Command, g *global, name string, asJSON bool) error {
	n, err := g.open(cmd, node.Read)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Load(cmd.Context(), listener(cmd.ErrOrStderr())); err != nil {
		return err
	}
	r, err := tables.OfPeer(cmd.Context(), n, name, features.Present())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if asJSON {
		return printJSON(out, r)
	}
	fmt.Fprintf(out, "%s, %s: %s\n", r.Peer, r.Role, r.Told)
	if r.Preset != "" {
		fmt.Fprintf(out, "preset: %s\n", r.Preset)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tGOES\tBY")
	for _, t := range r.Tables {
		fmt.Fprintf(w, "%s\t%s\t%s\n", t.Table, t.Way, t.Why)
	}
	return w.Flush()
}
