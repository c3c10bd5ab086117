package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
)

func newKeys(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List this node's keys, and make new ones",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysList(g), newKeysRotate(g))
	return cmd
}

func newKeysRotate(g *global) *cobra.Command {
	kind := ""
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make new keys, which the peers learn by the next files",
		Long: `Make new keys for this node. Its peers learn the new card by the next files, which the old key signs: over a link, a stick, whatever they come by.
Each goes on by the old card until then; one with an omsync that does not know of this, until it is updated. What was encrypted to the old keys is
read as before. omsync keys list says which peers still use them; half a year after, those that no peer uses are removed.

Make a new backup of the home folder afterwards, and new invitations: open ones are of the old card.

If somebody else may have the keys, that is not enough, for he can sign too: each peer says omsync peer revoke NAME, and takes the new card
from you (omsync card), or by an invitation.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runKeysRotate(cmd, g, keys.Kind(kind)) },
	}
	cmd.Flags().StringVar(&kind, "kind", "", "hybrid or x25519 (default: as before)")
	return cmd
}

func runKeysRotate(cmd *cobra.Command, g *global, kind keys.Kind) error {
	if kind != "" && kind != keys.Hybrid && kind != keys.X25519 {
		return fmt.Errorf("unknown kind of key %q: use %s or %s", string(kind), keys.Hybrid, keys.X25519)
	}
	n, err := g.openAll(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	if kind == "" {
		kind = n.Keys.Kind()
	}
	x := n.Exchange()
	if err := x.RotateKeys(cmd.Context(), kind); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has new keys, fingerprint %s: its peers learn them by its next files (omsync sync)\n", n.Node, x.Keys.Card().Fingerprint())
	return err
}

// keyLine is a key of this node, as keys list shows it.
type keyLine struct {
	Fingerprint string    `json:"fingerprint"`
	Present     bool      `json:"present"`
	Until       time.Time `json:"until,omitzero"`  // when another came in its place
	Peers       []string  `json:"peers,omitempty"` // to whom it signs, or who may still encrypt to it
}

func newKeysList(g *global) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List this node's keys, present and former, and the peers that use them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := g.openAll(cmd, node.Read)
			if err != nil {
				return err
			}
			defer n.Close()
			lines, err := keyLines(cmd.Context(), n)
			if err != nil {
				return err
			}
			return printKeys(cmd, lines, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func keyLines(ctx context.Context, n *node.Node) ([]keyLine, error) {
	lines := []keyLine{{Fingerprint: n.Keys.Card().Fingerprint(), Present: true}}
	for _, f := range n.Keys.Former() {
		lines = append(lines, keyLine{Fingerprint: f.Card().Fingerprint(), Until: f.Until.UTC().Truncate(time.Second)})
	}
	peers, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	x := n.Exchange()
	for _, p := range peers {
		used, err := x.KeysFor(p)
		if err != nil {
			return nil, err
		}
		for i := range lines {
			if slices.Contains(used, lines[i].Fingerprint) {
				lines[i].Peers = append(lines[i].Peers, p.Name)
			}
		}
	}
	return lines, nil
}

func printKeys(cmd *cobra.Command, lines []keyLine, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		var err error
		for _, l := range lines {
			err = errors.Join(err, printJSON(out, l))
		}
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FINGERPRINT\tUNTIL\tUSED WITH")
	for _, l := range lines {
		until := "present"
		if !l.Present {
			until = l.Until.Local().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", l.Fingerprint, until, strings.Join(l.Peers, " "))
	}
	return w.Flush()
}
