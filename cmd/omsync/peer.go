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
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/enrol"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/merge"
)

func newPeer(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "peer",
		Short: "Add, list, suspend and remove peers",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPeerAdd(g), newPeerList(g),
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
		Args: named("add which card?"),
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
		return hinted(errors.New("say what the peer is to this node"), "--as parent, or --as child")
	}
	card, err := readCard(file)
	if err != nil {
		return err
	}
	n, err := g.open(true)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.loadKeys(); err != nil {
		return err
	}
	if card.Name == n.Node {
		return hinted(fmt.Errorf("%s is the card of a node named %s, and so is this one", file, n.Node), "add the other node's card; two nodes need two names")
	}
	if err := n.load(ctx, cmd.ErrOrStderr()); err != nil {
		return err
	}
	known, err := n.mayAdd(ctx, card, as)
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
	if err := n.addPeer(ctx, card, as); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "added %s as %s\n", card.Name, o.as)
	return nil
}

// addPeer makes a node a peer.
func (n *node) addPeer(ctx context.Context, card keys.Card, as access.Role) error {
	// The number grows from one adding to the next, as package merge asks: it tells this link from an earlier one.
	number, err := journal.NextLink(ctx, n.db, time.Now())
	if err != nil {
		return err
	}
	return journal.AddPeer(ctx, n.db, &journal.Peer{Name: card.Name, Role: as, Card: card.Marshal(), Link: merge.Link{Number: number}})
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

// mayAdd looks for what stands in the way. known: the peer is there already, the same.
func (n *node) mayAdd(ctx context.Context, card keys.Card, as access.Role) (known bool, err error) {
	peers, err := journal.Peers(ctx, n.db)
	if err != nil {
		return false, err
	}
	for _, p := range peers {
		switch {
		case p.Name == card.Name && p.Role == as && bytes.Equal(p.Card, card.Marshal()):
			return true, nil
		case p.Name == card.Name:
			return false, hinted(fmt.Errorf("there is a peer %s already, as %s, with another card or role", p.Name, p.Role),
				"omsync --home %s peer remove %s, if that one is no more", n.home, p.Name)
		case as == access.Parent && p.Role == access.Parent:
			return false, hinted(fmt.Errorf("this node has a parent already: %s", p.Name), "nodes form a tree; remove that one first, or add this one as child")
		}
	}
	return false, nil
}

// trust compares the fingerprint, or has a person do it.
func (o *peerAddOptions) trust(cmd *cobra.Command, card keys.Card) error {
	fingerprint := card.Fingerprint()
	if o.fingerprint != "" {
		if !keys.SameFingerprint(o.fingerprint, fingerprint) {
			return &failure{exitTrust, fmt.Errorf("the card of %s has another fingerprint: %s", card.Name, fingerprint),
				"do not trust this card: ask its owner for a new copy and for the fingerprint"}
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
		return hinted(fmt.Errorf("the card of %s was not compared with its owner, and %w", card.Name, err),
			"add --fingerprint with what its owner reads to you, or --yes if the card came by a way that can be trusted")
	case err != nil:
		return err
	case !ok:
		return coded(exitTrust, "%s was not added", card.Name)
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
	n, err := g.open(false)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.load(ctx, cmd.ErrOrStderr()); err != nil {
		return err
	}
	peers, err := journal.Peers(ctx, n.db)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(peers) > 0 && !asJSON {
		fmt.Fprintln(w, "PEER\tROLE\tSTATE\tFINGERPRINT")
	}
	for _, p := range peers {
		card, err := keys.ParseCard(p.Card)
		if err != nil {
			return fmt.Errorf("card of %s: %w", p.Name, err)
		}
		if asJSON {
			err = printJSON(out, struct {
				Name        string       `json:"name"`
				Role        access.Role  `json:"role"`
				State       access.State `json:"state"`
				Fingerprint string       `json:"fingerprint"`
			}{p.Name, p.Role, p.State, card.Fingerprint()})
		} else {
			_, err = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Name, p.Role, p.State, card.Fingerprint())
		}
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

func newPeerState(g *global, verb string, state access.State, short, effect string) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " NAME",
		Short: short,
		Args:  named("which peer?"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := g.open(true)
			if err != nil {
				return err
			}
			defer n.Close()
			if err := n.load(cmd.Context(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			if state == access.Removed {
				if err := n.forgetInvitations(args[0]); err != nil {
					return err
				}
			}
			if err := n.setState(cmd.Context(), args[0], state); err != nil {
				return err
			}
			if state == access.Removed {
				if err := exchange.DiscardMail(cmd.Context(), n.home, args[0]); err != nil {
					return err
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is %s: %s\n", args[0], state, effect)
			return nil
		},
	}
}

// forgetInvitations sees that a peer which is removed does not come back by the token that it joined with.
func (n *node) forgetInvitations(name string) error {
	dir := filepath.Join(n.home, "invitations")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	invitations, err := enrol.OpenInvitations(dir)
	if err != nil {
		return err
	}
	return invitations.Forget(name)
}

// setState changes a peer's state, in a transaction: imports write to the same row.
func (n *node) setState(ctx context.Context, name string, state access.State) error {
	tx, err := n.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	p, err := journal.PeerByName(ctx, tx, name, true)
	if err != nil {
		return err
	}
	if p == nil {
		return n.noPeer(name)
	}
	p.State = state
	if err := journal.SavePeer(ctx, tx, p); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("save the peer %s: %w", name, err)
	}
	return nil
}

func (n *node) noPeer(name string) error {
	return hinted(fmt.Errorf("there is no peer %.40q", name), "omsync --home %s peer list", n.home)
}
