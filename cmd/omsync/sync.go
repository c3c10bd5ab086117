package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/links"
	languages "github.com/omsync/omsync/words"
)

type syncOptions struct {
	links   []string
	bwlimit string
}

func newSync(g *global) *cobra.Command {
	o := &syncOptions{}
	cmd := &cobra.Command{
		Use:   "sync [--link URL]...",
		Short: "Import, export, send and fetch over every link",
		Long: `Do all that is due: apply what came, export what peers lack, send and fetch it over every link of omsync.toml, and apply
again. This is the one line for cron: it may run every five minutes. What has nothing to do prints nothing. A link that is
down is no error: it gets one line, and "omsync status" says since when.

--link uses this link instead of those configured: usb:/media/stick does all that is due on a stick at this site. A link that
is named and is not there is an error.`,
		Example: `  omsync --home /var/lib/omsync sync
  omsync --home /var/lib/omsync sync --link usb:/media/stick`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.withNode(cmd, g, runSync) },
	}
	o.flags(cmd)
	return cmd
}

func newPush(g *global) *cobra.Command {
	o := &syncOptions{}
	cmd := &cobra.Command{
		Use:   "push [--link URL]...",
		Short: "Send what waits in the outbox",
		Long: `Send the files that export put into the outbox over every link. Nothing is exported or imported: sync does all that. Only a
link that is down and that --link names is an error.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.withNode(cmd, g, runPush) },
	}
	o.flags(cmd)
	return cmd
}

func newPull(g *global) *cobra.Command {
	o := &syncOptions{}
	cmd := &cobra.Command{
		Use:   "pull [--link URL]...",
		Short: "Fetch files for this node into the inbox",
		Long: `Fetch the files for this node over every link into the inbox, from which import takes them. They stay where they are until
sync finds them applied. Only a link that is down and that --link names is an error.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.withNode(cmd, g, runPull) },
	}
	o.flags(cmd)
	return cmd
}

func (o *syncOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.links, "link", nil, "use this link instead of those in omsync.toml; may be repeated")
	f.StringVar(&o.bwlimit, "bwlimit", "", "bytes per second on each link, such as 8KiB, whatever omsync.toml says")
}

// syncing is a run over links: what it found goes to the user and into the exit code.
type syncing struct {
	node        *node.Node
	out, stderr io.Writer
	links       []config.Link
	named       bool // the links were named on the command line
	files       *importing
	quiet       bool              // nothing was printed
	isDown      func(link string) // nil: nobody asks
	errs        failure.List
}

// withNode opens the node and its links' settings for one of the three commands.
func (o *syncOptions) withNode(cmd *cobra.Command, g *global, run func(context.Context, *syncing) error) error {
	n, err := g.open(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	s := &syncing{node: n, out: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), named: len(o.links) > 0, quiet: true}
	if s.links, err = o.chosen(n); err != nil {
		return err
	}
	if err := n.LoadKeys(); err != nil {
		return err
	}
	if err := n.Load(cmd.Context(), listener(cmd.ErrOrStderr())); err != nil {
		return err
	}
	s.files = &importing{node: n, out: s.out, stderr: s.stderr, terse: true, applied: map[string]bool{}}
	err = run(cmd.Context(), s)
	if err == nil && s.quiet && len(s.errs) == 0 && s.files.files == 0 && isTerminal(s.out) {
		s.say("nothing to do")
	}
	return s.end(err)
}

// chosen returns the links that the command line names, or else those that are configured.
func (o *syncOptions) chosen(n *node.Node) ([]config.Link, error) {
	chosen := n.Links
	if len(o.links) > 0 {
		chosen = nil
		for _, u := range o.links {
			l := config.Link{URL: u}
			if i := slices.IndexFunc(n.Links, func(l config.Link) bool { return l.URL == u }); i >= 0 {
				l = n.Links[i]
			} else if err := l.FromHere(); err != nil {
				return nil, err
			}
			chosen = append(chosen, l)
		}
	}
	for i := range chosen {
		if o.bwlimit != "" {
			chosen[i].BWLimit = o.bwlimit
		}
		if err := chosen[i].Check(); err != nil {
			return nil, err
		}
	}
	if len(chosen) == 0 {
		return nil, failure.Hinted(errors.New("there is no link to go over"),
			"add a [[link]] to %s/%s, join a hub (omsync join URL --token TOKEN), or name one: --link usb:/media/stick", n.Home, config.Name)
	}
	return chosen, nil
}

// end puts what is wrong with links beside what the imports have to say.
func (s *syncing) end(err error) error {
	errs := s.errs
	for _, e := range []error{err, s.files.end()} {
		var l failure.List
		switch {
		case e == nil:
		case errors.As(e, &l) && len(s.errs) > 0:
			errs = append(errs, l...)
		default:
			errs = append(errs, e)
		}
	}
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return errs
}

// say prints a line of what was done.
func (s *syncing) say(format string, args ...any) {
	s.quiet = false
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *syncing) events(ctx context.Context) exchange.Events {
	return exchange.Events{
		Begin:    func() error { return s.node.Reconcile(ctx) },
		Imported: s.files.print,
		Exported: func(made []export.Batch) error {
			for _, e := range made {
				s.quiet = false
				if err := printExported(s.out, "", false, e); err != nil {
					return err
				}
			}
			return nil
		},
		Sent:     s.sent,
		Received: func(m exchange.Transfer) { s.say("received %s", movedText(m)) },
		Down:     s.down,
		Trouble:  func(err error) { s.errs = append(s.errs, advise(s.node, err)) },
	}
}

// sent says that a file has arrived, and if it was no use.
func (s *syncing) sent(m exchange.Transfer) {
	s.say("sent %s", movedText(m))
	if m.Refused != "" {
		s.errs = append(s.errs, failure.Hinted(fmt.Errorf("%s was not applied over there: %s", m.File, m.Refused), "nothing is lost: it goes again with what is new; its people see why in their log"))
	}
}

// down says that a link is not there: one line, or an error if the user named it.
func (s *syncing) down(link string, l *exchange.LinkState) {
	if s.isDown != nil {
		s.isDown(link)
	}
	text := fmt.Sprintf("%s: down since %s: %s", link, l.Down.Local().Format("2006-01-02 15:04"), l.Error)
	if s.named {
		s.errs = append(s.errs, errors.New(text))
		return
	}
	s.quiet = false
	fmt.Fprintf(s.stderr, "omsync: %s\n", text)
}

func movedText(m exchange.Transfer) string {
	return fmt.Sprintf("%s over %s (%s in %s)", m.File, m.Link, languages.Size(m.Bytes), m.Took.Round(time.Millisecond))
}

func runSync(ctx context.Context, s *syncing) error { return s.sync(ctx, s.events(ctx)) }

// sync does all that is due.
func (s *syncing) sync(ctx context.Context, e exchange.Events) error {
	size, err := config.ParsePartSize(s.node.PartSize)
	if err != nil {
		return err
	}
	if err := s.node.Reconcile(ctx); err != nil {
		return err
	}
	return s.files.withHook(ctx, func() error {
		x := exchanging(s.stderr, s.node)
		if _, err := x.ForgetKeys(ctx, time.Now()); err != nil {
			return err
		}
		return x.Sync(ctx, exchange.SyncOptions{Links: links.Openers(s.node, x, s.links), PartSize: size}, e)
	})
}

func runPush(ctx context.Context, s *syncing) error {
	x, e := exchanging(s.stderr, s.node), s.events(ctx)
	return x.OverLinks(ctx, links.Openers(s.node, x, s.links), e, func(l *exchange.Link, state *exchange.State) error {
		peers, err := journal.Peers(ctx, s.node.DB)
		if err != nil {
			return err
		}
		peers = slices.DeleteFunc(peers, func(p *journal.Peer) bool { return !p.State.Exchanges() })
		return x.Push(ctx, l, peers, state, e.Sent)
	})
}

func runPull(ctx context.Context, s *syncing) error {
	x, e := exchanging(s.stderr, s.node), s.events(ctx)
	return x.OverLinks(ctx, links.Openers(s.node, x, s.links), e, func(l *exchange.Link, _ *exchange.State) error {
		p, err := x.Pull(ctx, l, e.Received)
		if p != nil {
			for _, note := range p.Notes {
				e.Trouble(note)
			}
		}
		return err
	})
}
