package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/internal/failure"
)

func newPeerKeep(g *global) *cobra.Command {
	history := ""
	cmd := &cobra.Command{
		Use:   "keep NAME --history ID",
		Short: "Say which of two copies of a peer is the peer",
		Long: `Say which of two copies of a peer is the peer. Where a home folder and its database were copied and both copies are at work, omsync takes nothing of
either, and says so at each import: it names both by their histories, with the time and the epoch of the last file of each. The files of
the one that you keep are taken from now on. Those of the other are refused for good: what was entered there since the copy was made, enter again.`,
		Example: `  omsync peer keep kisumu --history 3fa2c07711b0e5d4`,
		Args:    oneArg("which peer?"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseUint(history, 16, 64)
			if err != nil {
				return failure.Hinted(errors.New("say which copy is the peer"), "--history ID, with one of the two that omsync status -v names")
			}
			n, err := openPeers(cmd, g, false)
			if err != nil {
				return err
			}
			defer n.Close()
			if err := n.KeepPeer(cmd.Context(), args[0], id); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is the one of history %016x: the other's batches are refused\n", args[0], id)
			return err
		},
	}
	cmd.Flags().StringVar(&history, "history", "", "the history of the copy that is the peer, 16 hexadecimal digits")
	return cmd
}
