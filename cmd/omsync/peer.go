package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
)

func newPeer(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "peer",
		Short: "Add, list, suspend and remove peers, and revoke their keys",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPeerAdd(g), newPeerList(g), newPeerRules(g), newPeerRevoke(g), newPeerKeep(g),
		newPeerState(g, "suspend", access.Suspended, "Stop exchanging batches with a peer for now", "its batches are refused until: omsync peer resume NAME"),
		newPeerState(g, "resume", access.Active, "Go on with a peer that was suspended", "its batches are taken again"),
		newPeerState(g, "remove", access.Removed, "Forget a peer for good", "its batches are refused; added again it starts anew"))
	return cmd
}

type peerAddOptions struct {
	as, fingerprint string
	yes             bool
}

func newPeerAdd(g *global) *cobra.Command {
	o := &peerAddOptions{}
	cmd := &cobra.Command{
		Use:   "add CARD --as parent|child",
		Short: "Add a node by its card",
		Long: `Add a node by the file with its card. --as says what that node is to this one: a clinic adds its hub as parent, the hub
adds its clinics as children; a node has one parent at most. Both sides add each other.

Compare the card's fingerprint with its owner by voice or on paper: nothing else tells who made it. On a terminal you are
asked; a script gives the expected one with --fingerprint, or --yes if the card came by a way that can be trusted.`,
		Args: oneArg("add which card?"),
		RunE: func(cmd *cobra.Command, args []string) error { return runPeerAdd(cmd, g, o, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&o.as, "as", "", "what the other node is to this one: parent or child")
	f.StringVar(&o.fingerprint, "fingerprint", "", "the fingerprint that the card must have")
	f.BoolVar(&o.yes, "yes", false, "trust the card without asking")
	cmd.MarkFlagsMutuallyExclusive("fingerprint", "yes")
	return cmd
}

func runPeerAdd(cmd *cobra.Command, g *global, o *peerAddOptions, file string) error {
	ctx := cmd.Context()
	as := access.Role(o.as)
	if !as.Valid() {
		return failure.Hinted(errors.New("say what the peer is to this node"), "--as parent, or --as child")
	}
	card, err := readCard(file)
	if err != nil {
		return err
	}
	n, err := g.open(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.LoadKeys(); err != nil {
		return err
	}
	if card.Name == n.Node {
		return failure.Hinted(fmt.Errorf("%s is the card of a node named %s, and so is this one", file, n.Node), "add the other node's card; two nodes need two names")
	}
	if err := n.Load(ctx, listener(cmd.ErrOrStderr())); err != nil {
		return err
	}
	known, err := n.CheckPeer(ctx, card, as)
	if err != nil {
		return err
	}
	if known {
		fmt.Fprintf(cmd.OutOrStdout(), "%s is a peer already, as %s\n", card.Name, o.as)
		return nil
	}
	if err := o.trust(cmd, card); err != nil {
		return err
	}
	if err := n.AddPeer(ctx, card, as); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "added %s as %s\n", card.Name, o.as)
	return nil
}

func readCard(file string) (keys.Card, error) {
	f, err := os.Open(file)
	if err != nil {
		return keys.Card{}, fmt.Errorf("read the card: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, keys.MaxCard+1))
	if err != nil {
		return keys.Card{}, fmt.Errorf("read the card: %w", err)
	}
	card, err := keys.ParseCard(b)
	if err != nil {
		return keys.Card{}, fmt.Errorf("%s: %w", file, err)
	}
	return card, nil
}

// trust compares the fingerprint, or has a person do it.
func (o *peerAddOptions) trust(cmd *cobra.Command, card keys.Card) error {
	fingerprint := card.Fingerprint()
	if o.fingerprint != "" {
		if !keys.SameFingerprint(o.fingerprint, fingerprint) {
			return &failure.Failure{Code: failure.Trust, Err: fmt.Errorf("the card of %s has another fingerprint: %s", card.Name, fingerprint),
				Hint: "do not trust this card: ask its owner for a new copy and for the fingerprint"}
		}
		return nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "card of %s, fingerprint\n  %s\n", card.Name, fingerprint)
	if o.yes {
		return nil
	}
	ok, err := confirm(cmd.Context(), cmd, "Does its owner read the same?")
	switch {
	case errors.Is(err, errNotTerminal):
		return failure.Hinted(fmt.Errorf("the card of %s was not compared with its owner, and %w", card.Name, err),
			"add --fingerprint with what its owner reads to you, or --yes if the card came by a way that can be trusted")
	case err != nil:
		return err
	case !ok:
		return failure.Coded(failure.Trust, "%s was not added", card.Name)
	}
	return nil
}

func newPeerList(g *global) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the peers",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runPeerList(cmd, g, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func runPeerList(cmd *cobra.Command, g *global, asJSON bool) error {
	ctx := cmd.Context()
	n, err := g.open(cmd, node.Read)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Load(ctx, listener(cmd.ErrOrStderr())); err != nil {
		return err
	}
	peers, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(peers) > 0 && !asJSON {
		fmt.Fprintln(w, "PEER\tROLE\tSTATE\tFINGERPRINT")
	}
	for _, p := range peers {
		c, err := n.Exchange().Cards(p)
		if err != nil {
			return err
		}
		if asJSON {
			err = printJSON(out, struct {
				Name        string       `json:"name"`
				Role        access.Role  `json:"role"`
				State       access.State `json:"state"`
				Fingerprint string       `json:"fingerprint"`
				Next        string       `json:"next_fingerprint,omitempty"` // of the card that is to come in its place
				Revoked     bool         `json:"revoked,omitempty"`
				Has         []string     `json:"has,omitempty"` // fingerprints of this node's cards that the peer has
			}{p.Name, p.Role, p.State, c.Present, c.Next, c.Revoked(), c.Has})
		} else {
			_, err = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Name, p.Role, stateText(p.State, c.Revoked()), c.Present)
			if c.Next != "" && err == nil {
				_, err = fmt.Fprintf(w, "\t\tits next:\t%s\n", c.Next)
			}
		}
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

func stateText(s access.State, revoked bool) string {
	if revoked {
		return "revoked"
	}
	return string(s)
}

func newPeerRevoke(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "Take nothing any more that a peer's present keys sign",
		Long: `Take nothing any more that a peer's present keys sign, and send it nothing, until it has a new card: its keys are lost, or somebody else has them.
This works at once, and cannot be undone: whatever comes back from a backup, these keys count for nothing here.

The peer makes new keys: omsync keys rotate, or omsync init --new-keys where they are gone. Then it comes back by an invitation (omsync invite
NAME, omsync join), or you add its new card (omsync peer add). Both sides go on where they were: nothing that both have is sent again.
If its database is lost too, or you do not want what came from it since: omsync peer remove NAME, omsync undo.`,
		Args: oneArg("whose keys?"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := openPeers(cmd, g, true)
			if err != nil {
				return err
			}
			defer n.Close()
			if err := n.RevokeKeys(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "the keys of %s are revoked: its batches are refused until it has a new card\n", args[0])
			return err
		},
	}
}

// openPeers opens the node to change a peer. atOnce: also beside a run that is at work.
func openPeers(cmd *cobra.Command, g *global, atOnce bool) (*node.Node, error) {
	n, err := g.open(cmd, node.Change)
	if errors.Is(err, node.ErrLocked) && atOnce {
		n, err = g.open(cmd, node.Read) // that run asks for the peer's state at each file
	}
	if err != nil {
		return nil, err
	}
	if err := n.Load(cmd.Context(), listener(cmd.ErrOrStderr())); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func newPeerState(g *global, verb string, state access.State, short, effect string) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " NAME",
		Short: short,
		Args:  oneArg("which peer?"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := openPeers(cmd, g, state == access.Suspended)
			if err != nil {
				return err
			}
			defer n.Close()
			if err := n.SetPeerState(cmd.Context(), args[0], state); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is %s: %s\n", args[0], state, effect)
			if state != access.Removed {
				return nil
			}
			dropped, err := n.DropWaitingOfRemoved(cmd.Context())
			if err == nil && dropped > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "%s of it that waited: dropped (omsync quarantine list --dropped)\n", count(dropped, "row"))
			}
			return err
		},
	}
}
