package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/schema"
)

// cloneOptions say that the database is a copy of the parent's.
type cloneOptions struct {
	from  string // file with the parent's card
	said  bool
	trust peerAddOptions
}

// clone makes a database that is a copy of the parent's a node of its own, before anything else of init is done to it. It is done already where the
// database has the node's name.
func (o *cloneOptions) clone(cmd *cobra.Command, n *node.Node, cat *schema.Catalogue, p *schema.Profile) error {
	if o.from == "" {
		return nil
	}
	ctx := cmd.Context()
	there, err := journal.NodeName(ctx, n.DB)
	if err == nil && there == n.Node {
		return nil
	}
	if errors.Is(err, journal.ErrNone) {
		return failure.Hinted(fmt.Errorf("the database %s has no omsync tables: nobody can tell what it is a copy of", n.Database), "copy the parent's database with its omsync_ tables and triggers, or leave out --cloned-from")
	} else if err != nil {
		return err
	}
	card, err := o.card(ctx, n, there)
	if err != nil {
		return err
	}
	if err := o.trust.trust(cmd, card); err != nil {
		return err
	}
	listener := listener(cmd.ErrOrStderr())
	if err := capture.Upgrade(ctx, n.DB, cat, p, there, listener.Say, listener.Warn); err != nil {
		return err
	}
	unsealed, err := journal.BecomeClone(ctx, n.DB, n.Node, journal.CloneOf{Name: card.Name, Role: access.Parent, Card: card.Marshal()}, time.Now())
	if err != nil {
		return err
	}
	if unsealed > 0 {
		listener.Warn("the copy holds %d changes that %s had not sealed yet: exchange files with it once before the application is used here", unsealed, card.Name)
	}
	listener.Say("the database is %s's no more, but %s, which has all that %[1]s had; its parent is %[1]s", card.Name, n.Node)
	return nil
}

// card reads the parent's card, once the database proves to be a copy of that node's, and not that node's own.
func (o *cloneOptions) card(ctx context.Context, n *node.Node, there string) (card keys.Card, err error) {
	text, err := os.ReadFile(o.from)
	if err != nil {
		return card, fmt.Errorf("read the card: %w", err)
	}
	if card, err = keys.ParseCard(text); err != nil {
		return card, err
	}
	signs := merge.CloneSigns{Named: there == card.Name, Said: o.said}
	if signs.Anew, signs.Made, err = journal.LoadedAnew(ctx, n.DB, n.Database); err != nil {
		return card, err
	}
	switch signs.Verdict() {
	case merge.OtherNode:
		return card, fmt.Errorf("the database %s is that of %s or a copy of it, and the card is of %s", n.Database, there, card.Name)
	case merge.MayBeTheNode:
		return card, failure.Hinted(fmt.Errorf("the database %s looks like that of %s itself, which would end with this: its tables were not loaded from a dump since %[2]s used them", n.Database, there),
			"is the dsn right? if it is a copy of the server's files, add --copied-files")
	}
	return card, nil
}
