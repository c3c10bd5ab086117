package main

import "github.com/spf13/cobra"

func newConflicts(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "conflicts",
		Short: "Say what decides when two sites changed the same thing",
		Long: `Where two sites changed the same value without knowing of each other, one of the two stays, and the other one is recorded. A policy says
which.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicy(g))
	return cmd
}
