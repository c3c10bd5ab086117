package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/enrol"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/hub"
)

type inviteOptions struct {
	url    string
	valid  string
	list   bool
	revoke bool
	asJSON bool
}

func newInvite(g *global) *cobra.Command {
	o := &inviteOptions{}
	cmd := &cobra.Command{
		Use:   "invite NAME",
		Short: "Print a token with which a node may join this one",
		Long: `Print a token with which the node of this name may join this one as its child, once: omsync join URL --token TOKEN. The last
line of the output is the token alone. It is a secret until it is used or expires: hand it over by a way that can be trusted.
It also says which certificate and which card the joining node must find here, so that nobody can stand in between.

Inviting a name again replaces an invitation of it that was not used.`,
		Example: `  omsync --home /var/lib/omsync invite kisumu`,
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runInvite(cmd, g, o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "", "the address at which the server will be found, for the text (default: that of [serve] in omsync.toml)")
	f.StringVar(&o.valid, "valid", "7d", "how long the token can be used: 90m, 12h, 7d")
	f.BoolVar(&o.list, "list", false, "list the invitations instead")
	f.BoolVar(&o.revoke, "revoke", false, "take back the invitation of this name")
	f.BoolVar(&o.asJSON, "json", false, "one JSON object, which holds the token")
	cmd.MarkFlagsMutuallyExclusive("list", "revoke", "json")
	return cmd
}

func runInvite(cmd *cobra.Command, g *global, o *inviteOptions, args []string) error {
	if o.list != (len(args) == 0) {
		return failure.Hinted(errors.New("invite whom?"), "omsync invite NAME, or --list alone")
	}
	n, err := g.open(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	invitations, err := n.Invitations()
	if err != nil {
		return err
	}
	switch {
	case o.list:
		return printInvitations(cmd, invitations)
	case o.revoke:
		return revokeInvitation(cmd, invitations, args[0])
	}
	valid, err := parseDays(o.valid)
	if err != nil {
		return err
	}
	name := args[0]
	if err := keys.ValidName(name); err != nil {
		return err
	}
	if name == n.Node {
		return fmt.Errorf("this node is %s itself: invite another", name)
	}
	if err := n.LoadKeys(); err != nil {
		return err
	}
	pin := ""
	if n.Serve.OwnCertificate() {
		if _, pin, err = hub.Certificate(n.Home, &n.Serve); err != nil {
			return err
		}
	}
	token, invitation, err := invitations.Create(name, access.Child, pin, n.Keys.Card(), time.Now(), valid)
	if err != nil {
		return err
	}
	url := o.url
	if url == "" {
		if url = n.Serve.URL; url == "" {
			url = "https://THIS-SERVER"
			if _, port, err := net.SplitHostPort(cmp.Or(n.Serve.Listen, config.DefaultListen)); err == nil && port != "443" {
				url += ":" + port
			}
		}
	}
	if o.asJSON {
		return printJSON(cmd.OutOrStdout(), struct {
			Node        string    `json:"node"`
			Hub         string    `json:"hub"`
			URL         string    `json:"url"`
			Expires     time.Time `json:"expires"`
			Fingerprint string    `json:"fingerprint"` // of the hub's card
			Token       string    `json:"token"`
		}{name, n.Node, url, invitation.Expires, n.Keys.Card().Fingerprint(), token.String()})
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s may join until %s, once:\n  omsync join %s --token TOKEN\nfingerprint of %s: %s\ntoken:\n%s\n",
		name, invitation.Expires.Local().Format("2006-01-02 15:04 MST"), url, n.Node, n.Keys.Card().Fingerprint(), token)
	return err
}

// printInvitations lists the invitations.
func printInvitations(cmd *cobra.Command, v *enrol.Invitations) error {
	list, err := v.List()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	if len(list) > 0 {
		fmt.Fprintln(w, "NODE\tSTATE\tEXPIRES\tFINGERPRINT")
	}
	for _, i := range list {
		state := "open"
		switch {
		case i.UsedBy != "":
			state = "used"
		case i.Expired(time.Now()):
			state = "expired"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.Name, state, i.Expires.Local().Format("2006-01-02 15:04"), i.UsedBy)
	}
	return w.Flush()
}

// revokeInvitation takes back the open invitation of a name.
func revokeInvitation(cmd *cobra.Command, v *enrol.Invitations, name string) error {
	list, err := v.List()
	if err != nil {
		return err
	}
	for _, i := range list {
		if i.Name == name && i.UsedBy == "" {
			if err := v.Revoke(i.ID); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "the invitation of %s is taken back\n", name)
			return err
		}
	}
	return failure.Hinted(fmt.Errorf("there is no open invitation of %.40q", name), "omsync invite --list; a node that has joined is removed by: omsync peer remove NAME")
}

// parseDays reads a time such as 90m, 12h or 7d.
func parseDays(s string) (time.Duration, error) {
	text, day := strings.CutSuffix(s, "d")
	if day {
		text += "h"
	}
	d, err := time.ParseDuration(text)
	if day && d <= 366*time.Hour { // more would not fit after the multiplication
		d *= 24
	} else if day {
		d = 0
	}
	if err != nil || d <= 0 || d > 366*24*time.Hour {
		return 0, fmt.Errorf("%q is no time that a token may be valid: write it like 90m, 12h or 7d, a year at most", s)
	}
	return d, nil
}
