package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/enrol"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/transport/web/client"
)

type joinOptions struct {
	token string
	open  bool
	pin   string
	trust peerAddOptions
}

func newJoin(g *global) *cobra.Command {
	o := &joinOptions{}
	cmd := &cobra.Command{
		Use:   "join URL --token TOKEN",
		Short: "Become the child of a hub that invited this node",
		Long: `Exchange cards with a hub over its server, as it was agreed by an invitation (omsync invite), and add the link to omsync.toml.
From then on, "omsync sync" does everything: the first full load too. The command may be repeated if the link broke, and with a
new invitation if the hub has a new certificate.

Both sides see the same fingerprints. The token vouches for the hub's card and certificate; on a terminal you are still asked
whether its people read the same fingerprint to you, and a script says --yes, or --fingerprint with what they read. By then the
hub has taken this node: who says no tells its people, for them to remove it again.

The token is a secret until it is used. --token - reads it from standard input, so that other users of this machine cannot see
it in the list of processes.

--open joins a hub that takes everybody (omsync serve --auto-register), for trials: then the fingerprint is all there is to
compare.`,
		Example: `  omsync --home /var/lib/omsync join https://hub.example.org:8443 --token - < invitation`,
		Args:    oneArg("join which hub?"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runJoin(cmd, g, o, strings.TrimSuffix(args[0], "/"))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.token, "token", "", "what omsync invite printed; - reads it from standard input")
	f.BoolVar(&o.open, "open", false, "join without a token a hub that takes everybody")
	f.StringVar(&o.pin, "pin", "", "with --open: the key that the server's certificate must have (default: the one that it shows)")
	f.StringVar(&o.trust.fingerprint, "fingerprint", "", "the fingerprint that the hub's card must have")
	f.BoolVar(&o.trust.yes, "yes", false, "trust the hub's card without asking")
	cmd.MarkFlagsMutuallyExclusive("token", "open")
	cmd.MarkFlagsMutuallyExclusive("token", "pin")
	cmd.MarkFlagsMutuallyExclusive("fingerprint", "yes")
	return cmd
}

func runJoin(cmd *cobra.Command, g *global, o *joinOptions, address string) error {
	ctx := cmd.Context()
	if o.token == "" && !o.open {
		return failure.Hinted(errors.New("join with which token?"), "--token TOKEN: the hub's people get one by: omsync invite NAME")
	}
	if o.token == fromInput {
		token, err := readSecret(cmd, "token")
		if err != nil {
			return err
		}
		o.token = token
	}
	n, err := g.openAll(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	hub, pin, err := o.exchangeCards(cmd, n, address)
	if err != nil {
		return err
	}
	known, err := n.CheckPeer(ctx, hub, access.Parent)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "card of this node, %s, fingerprint\n  %s\n", n.Node, n.Keys.Card().Fingerprint())
	if !known {
		if err := o.trust.trust(cmd, hub); err != nil {
			return err
		}
		if err := n.AddPeer(ctx, hub, access.Parent); err != nil {
			return err
		}
	}
	if err := n.GaveCard(ctx, hub.Name, n.Keys.Card()); err != nil {
		return err
	}
	if err := n.AddLink(config.Link{URL: address, Peer: hub.Name, Pin: pin}, !o.open); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s joined %s: omsync sync does the rest\n", n.Node, hub.Name)
	return err
}

// exchangeCards sends this node's card and answers the hub's, with the pin of its certificate.
func (o *joinOptions) exchangeCards(cmd *cobra.Command, n *node.Node, address string) (hub keys.Card, pin string, err error) {
	var token enrol.Token
	request, err := enrol.OpenRequest(n.Keys)
	pin = o.pin
	if !o.open {
		if token, err = enrol.ParseToken(o.token); err != nil {
			return keys.Card{}, "", err
		}
		if token.Role() != access.Child {
			return keys.Card{}, "", errors.New("this invitation is not for a child: ask the hub's people for another")
		}
		if err := n.CheckToken(cmd.Context(), token); err != nil {
			return keys.Card{}, "", err
		}
		pin = token.Pin()
		request, err = token.Request(n.Keys)
	}
	if err != nil {
		return keys.Card{}, "", err
	}
	options := client.Options{URL: address, Pin: pin, Self: n.Node, Warn: n.Journal.Warn}
	if o.open && pin == "" {
		if pin, err = shownPin(cmd.Context(), address); err != nil {
			return keys.Card{}, "", err
		}
		options.Pin = pin
	}
	c, err := client.New(options)
	if err != nil {
		return keys.Card{}, "", err
	}
	defer c.Close()
	reply, err := c.Join(cmd.Context(), request)
	if err != nil {
		return keys.Card{}, "", err
	}
	if o.open {
		hub, err = enrol.ReadOpenReply(request, reply)
	} else {
		hub, err = token.ReadReply(request, reply)
	}
	return hub, pin, err
}

// shownPin is the pin of the certificate that a server shows; "" if one of this computer's authorities vouches for it, or if
// there is none.
func shownPin(ctx context.Context, address string) (string, error) {
	c, err := client.New(client.Options{URL: address})
	if err != nil {
		return "", err
	}
	defer c.Close()
	_, err = c.Health(ctx)
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &unknown) {
		return c.ServerPin(), nil
	}
	return "", err
}
