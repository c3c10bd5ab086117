package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
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
	*node
	cmd   *cobra.Command
	links []linkConfig
	named bool // the links were named on the command line
	files *importing
	quiet bool // nothing was printed
	errs  errorList
}

// withNode opens the node and its links' settings for one of the three commands.
func (o *syncOptions) withNode(cmd *cobra.Command, g *global, run func(context.Context, *syncing) error) error {
	n, err := g.open(true)
	if err != nil {
		return err
	}
	defer n.Close()
	s := &syncing{node: n, cmd: cmd, links: n.Links, named: len(o.links) > 0, quiet: true}
	if s.named {
		s.links = nil
		for _, u := range o.links {
			l := linkConfig{URL: u}
			if i := slices.IndexFunc(n.Links, func(l linkConfig) bool { return l.URL == u }); i >= 0 {
				l = n.Links[i]
			} else if err := l.here(); err != nil {
				return err
			}
			s.links = append(s.links, l)
		}
	}
	for i := range s.links {
		if o.bwlimit != "" {
			s.links[i].BWLimit = o.bwlimit
		}
		if err := s.links[i].check(); err != nil {
			return err
		}
	}
	if len(s.links) == 0 {
		return hinted(errors.New("there is no link to go over"), "add a [[link]] to %s/%s, join a hub (omsync join URL --token TOKEN), or name one: --link usb:/media/stick", n.home, configName)
	}
	if err := n.loadKeys(); err != nil {
		return err
	}
	if err := n.load(cmd.Context(), cmd.ErrOrStderr()); err != nil {
		return err
	}
	s.files = &importing{node: n, cmd: cmd, terse: true, moved: map[string]bool{}}
	err = run(cmd.Context(), s)
	if err == nil && s.quiet && len(s.errs) == 0 && s.files.files == 0 && isTerminal(cmd.OutOrStdout()) {
		s.say("nothing to do")
	}
	// What is wrong with links stands beside what the imports have to say.
	errs := s.errs
	for _, e := range []error{err, s.files.end()} {
		var l errorList
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
	fmt.Fprintf(s.cmd.OutOrStdout(), format+"\n", args...)
}

func (s *syncing) events() exchange.Events {
	return exchange.Events{
		Begin:    func() error { return s.follow(s.cmd.Context()) },
		Imported: s.files.print,
		Exported: func(made []export.Batch) error {
			for _, e := range made {
				s.quiet = false
				if err := printExported(s.cmd.OutOrStdout(), "", false, e); err != nil {
					return err
				}
			}
			return nil
		},
		Sent:     s.sent,
		Received: func(m exchange.Transfer) { s.say("received %s", movedText(m)) },
		Down:     s.down,
		Trouble:  func(err error) { s.errs = append(s.errs, s.advise(err)) },
	}
}

// sent says that a file has arrived, and if it was no use.
func (s *syncing) sent(m exchange.Transfer) {
	s.say("sent %s", movedText(m))
	if m.Refused != "" {
		s.errs = append(s.errs, hinted(fmt.Errorf("%s was not applied over there: %s", m.File, m.Refused), "nothing is lost: it goes again with what is new; its people see why in their log"))
	}
}

// down says that a link is not there: one line, or an error if the user named it.
func (s *syncing) down(link string, l *exchange.LinkState) {
	text := fmt.Sprintf("%s: down since %s: %s", link, l.Down.Local().Format("2006-01-02 15:04"), l.Error)
	if s.named {
		s.errs = append(s.errs, errors.New(text))
		return
	}
	s.quiet = false
	fmt.Fprintf(s.cmd.ErrOrStderr(), "omsync: %s\n", text)
}

func movedText(m exchange.Transfer) string {
	return fmt.Sprintf("%s over %s (%s in %s)", m.File, m.Link, bytesText(m.Bytes), m.Took.Round(time.Millisecond))
}

func runSync(ctx context.Context, s *syncing) error {
	size, err := parseSize(s.PartSize)
	if err != nil {
		return err
	}
	if err := s.follow(ctx); err != nil {
		return err
	}
	return s.files.hooked(ctx, func() error {
		return s.exchange(s.cmd).Sync(ctx, exchange.SyncOptions{Links: s.openers(s.cmd, s.links), PartSize: size}, s.events())
	})
}

func runPush(ctx context.Context, s *syncing) error {
	x, e := s.exchange(s.cmd), s.events()
	return x.OverLinks(ctx, s.openers(s.cmd, s.links), e, func(l *exchange.Link, state *exchange.State) error {
		peers, err := journal.Peers(ctx, s.db)
		if err != nil {
			return err
		}
		peers = slices.DeleteFunc(peers, func(p *journal.Peer) bool { return p.State != access.Active })
		return x.Push(ctx, l, peers, state, e.Sent)
	})
}

func runPull(ctx context.Context, s *syncing) error {
	x, e := s.exchange(s.cmd), s.events()
	return x.OverLinks(ctx, s.openers(s.cmd, s.links), e, func(l *exchange.Link, _ *exchange.State) error {
		p, err := x.Pull(ctx, l, e.Received)
		if p != nil {
			for _, note := range p.Notes {
				e.Trouble(note)
			}
		}
		return err
	})
}
