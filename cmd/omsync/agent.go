package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/agent"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/pace"
)

func newAgent(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "agent",
		Short: "Stay in step by itself: look for changes, wait for files, notice sticks",
		Long: `Keep this node in step for as long as it runs: what changes here is sent within seconds over every link of omsync.toml that is up, and what
a hub's server has is fetched as soon as it is there. It takes the place of cron, and does what "omsync sync" does: commands, cron and "omsync
serve" go on beside it. A link that is down is tried again after a while, longer each time, five minutes at most. A server of before that
cannot say when it has something, a folder and a bucket are asked every five minutes.

A stick is used when it is put in: one of a link usb:/PATH, or one below the folders that [agent] of omsync.toml names (on Linux /media, /mnt
and /run/media) that has a folder omsync. The log says when it may be pulled out.

There is one agent of a node. Stopped or killed, it loses nothing. systemd starts and watches it as a service of type notify (the packages
have omsync-agent.service); Windows runs it as a service; elsewhere it runs until it is stopped.`,
		Example: `  omsync --home /var/lib/omsync agent`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return asService(cmd, g, func(ctx context.Context, out, stderr io.Writer) error { return runAgent(ctx, g, out, stderr) })
		},
	}
}

func runAgent(ctx context.Context, g *global, out, stderr io.Writer) error {
	home, err := g.dir()
	if err != nil {
		return err
	}
	super := newSupervisor()
	runs := &agentRuns{home: home, out: out, stderr: stderr, down: map[string]string{}}
	err = agent.Run(ctx, agent.Options{
		Home: home, Run: runs.run, Say: func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }, Warn: warner(stderr),
		Status: super.status, Alive: super.alive,
	})
	super.stopping()
	if errors.Is(err, node.ErrAgent) {
		return failure.Hinted(err, "systemctl status omsync-agent shows the one that systemd runs; two would only be in each other's way")
	}
	return err
}

// agentRuns makes an agent's runs, each of them what omsync sync is.
type agentRuns struct {
	home        string
	out, stderr io.Writer
	down        map[string]string // what was said last of links that are down
}

func (r *agentRuns) run(ctx context.Context, over []config.Link) agent.Done {
	done, err := r.exchange(ctx, over)
	if err != nil && ctx.Err() == nil {
		report(r.stderr, err)
	}
	return done
}

// exchange does what is due over links. The error is for people; whether the run failed, what it returns beside it says.
func (r *agentRuns) exchange(ctx context.Context, over []config.Link) (done agent.Done, err error) {
	l := listener(r.stderr)
	l.Patience = node.Patience{Most: node.ServerWait}
	n, err := node.OpenAll(ctx, r.home, node.Change, l)
	if err != nil {
		return done, err
	}
	defer n.Close()
	var seen pace.Seen
	if seen.Before, err = n.Sign(ctx); err != nil {
		return done, err
	}
	s := &syncing{node: n, out: r.out, stderr: r.stderr, links: over}
	s.files = &importing{node: n, out: r.out, stderr: r.stderr, terse: true, applied: map[string]bool{}}
	e := s.events(ctx)
	e.Down = r.isDown
	if err := s.sync(ctx, e); err != nil {
		return done, s.end(err)
	}
	if seen.After, err = n.Sign(ctx); err != nil {
		return done, err
	}
	done = agent.Done{OK: true, Seen: seen}
	state, err := exchange.ReadState(r.home)
	if err != nil {
		return done, err
	}
	for _, l := range over {
		if is := state.Links[l.URL]; is != nil && !is.Down.IsZero() {
			done.Failed = append(done.Failed, l.URL)
		}
	}
	for _, l := range over {
		if !slices.Contains(done.Failed, l.URL) {
			delete(r.down, l.URL)
		}
	}
	return done, s.end(nil)
}

// isDown says that a link is down, once for each reason.
func (r *agentRuns) isDown(link string, l *exchange.LinkState) {
	if r.down[link] != l.Error {
		r.down[link] = l.Error
		fmt.Fprintf(r.stderr, "omsync: %s: down: %s\n", link, l.Error)
	}
}
