package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/node"
)

func newCard(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "card",
		Short: "Print this node's card, for its peers",
		Long: `Print this node's card: its name, its public keys and their fingerprint. Give it to the nodes that this one exchanges
batches with. It is not secret; but who gets it should compare the fingerprint with you by voice or on paper.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := g.open(cmd, node.Read)
			if err != nil {
				return err
			}
			defer n.Close()
			if err := n.LoadKeys(); err != nil {
				return err
			}
			card := n.Keys.Card()
			if _, err := cmd.OutOrStdout().Write(card.Marshal()); err != nil {
				return fmt.Errorf("print the card: %w", err)
			}
			return nil
		},
	}
}
