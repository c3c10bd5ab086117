package agent

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/links"
	"github.com/omsync/omsync/pace"
)

// Done is what a run came to.
type Done struct {
	Failed []string  // the addresses of links over which something went wrong; all of them, if the run itself failed
	Seen   pace.Seen // what the run has seen of the database; only if it did not fail
	OK     bool
}

// Options say how an agent works.
type Options struct {
	Home string
	// Run exchanges over links, and says by itself what it did.
	Run  func(ctx context.Context, links []config.Link) Done
	Say  func(format string, args ...any) // a line for people
	Warn func(format string, args ...any)
	// Status tells whoever supervises the agent how it is, in a line, and that it is alive; nil: nobody.
	Status func(text string)
	Alive  func()
	Tick   time.Duration // between two looks; 0: a quarter of a second
}

// agent is one that runs.
type agent struct {
	o       Options
	plan    *pace.Plan
	asker   *asker
	waiters map[string]*waiter
	events  chan event
	links   map[string]config.Link // those that are configured, by address
	sticks  sticks
	seen    pace.Seen
	local   problem             // with the database
	setup   problem             // with the configuration
	down    map[string]*problem // with servers, by address
}

// Run is the agent, until the context ends, which is no error. [node.ErrAgent]: another one is at work on the node.
func Run(ctx context.Context, o Options) error {
	lock, err := node.AcquireAgent(o.Home)
	if err != nil {
		return err
	}
	defer lock.Release()
	if o.Tick == 0 {
		o.Tick = 250 * time.Millisecond
	}
	if o.Status == nil {
		o.Status = func(string) {}
	}
	if o.Alive == nil {
		o.Alive = func() {}
	}
	a := &agent{o: o, plan: pace.New(pace.DefaultBackoff(), rand.Float64), asker: &asker{home: o.Home}, waiters: map[string]*waiter{},
		events: make(chan event), links: map[string]config.Link{}, down: map[string]*problem{}}
	a.sticks = sticks{home: o.Home, say: o.Say, status: o.Status}
	defer a.asker.close()
	if err := a.configure(ctx); err != nil { // what cannot be read at the start is told who started it
		return err
	}
	return a.work(ctx)
}

// work looks for what is due until the context ends.
func (a *agent) work(ctx context.Context) error {
	working, stop := context.WithCancel(ctx)
	defer a.stopWaiters()
	defer stop()
	tick := time.NewTicker(a.o.Tick)
	defer tick.Stop()
	ended := make(chan func())
	running := false
	var looked time.Time
	a.o.Status("at work")
	for {
		a.o.Alive()
		now := time.Now()
		if err := a.configure(working); ctx.Err() == nil {
			a.setup.is(err, a.o.Warn, "the configuration can be read again")
		}
		if now.Sub(looked) >= pace.Probe {
			looked = now
			a.look(working, now)
		}
		if due := a.plan.Due(now); len(due) > 0 && ctx.Err() == nil {
			running = true
			a.plan.Began(due, now)
			chosen := a.chosen(due)
			go func() {
				done := a.o.Run(working, chosen)
				ended <- func() { a.ended(due, chosen, done) }
			}()
		}
		select {
		case e := <-a.events:
			e.reply <- a.heard(e)
		case end := <-ended:
			running = false
			end()
		case <-tick.C:
		case <-ctx.Done():
			stop()
			if running {
				<-ended
			}
			return nil
		}
	}
}

// configure reads the configuration and brings the plan and the waiters in line with its links.
func (a *agent) configure(ctx context.Context) error {
	c, changed, err := a.asker.config()
	if err != nil || !changed {
		return err
	}
	kinds := map[string]pace.Kind{}
	clear(a.links)
	a.sticks.configured, a.sticks.roots = nil, c.Agent.StickFolders()
	for _, l := range c.Links {
		a.links[l.URL] = l
		switch {
		case l.IsStick():
			a.sticks.configured = append(a.sticks.configured, l)
		case l.Peer != "":
			kinds[l.URL] = pace.Server
		default:
			kinds[l.URL] = pace.Polled
		}
	}
	a.plan.Links(kinds, time.Now())
	a.keepWaiters(ctx, kinds)
	return nil
}

// look asks the database for a sign of news, and sees which sticks are there.
func (a *agent) look(ctx context.Context, now time.Time) {
	sign, err := a.asker.sign(ctx)
	if ctx.Err() != nil {
		return
	}
	a.local.is(err, a.o.Warn, "the database answers again")
	if err == nil && a.seen.News(sign) {
		a.plan.Local(now)
	}
	for _, key := range a.plan.Sticks(a.sticks.look(), now) {
		a.sticks.found(key)
	}
}

// chosen returns the links by their names in the plan.
func (a *agent) chosen(names []string) (out []config.Link) {
	for _, name := range names {
		if l, ok := a.links[name]; ok {
			out = append(out, l)
		} else if l, ok := a.sticks.link(name); ok {
			out = append(out, l)
		}
	}
	return out
}

// ended notes what a run over links, by their names in the plan, came to.
func (a *agent) ended(names []string, chosen []config.Link, done Done) {
	if done.OK {
		a.seen = done.Seen
	}
	var failed []string
	for _, name := range names {
		url := name
		l, stick := a.sticks.link(name)
		if stick {
			url = l.URL
		}
		there := slices.ContainsFunc(chosen, func(l config.Link) bool { return l.URL == url })
		bad := !done.OK || slices.Contains(done.Failed, url)
		if bad && there {
			failed = append(failed, name)
		}
		if stick && there {
			a.sticks.ended(name, !bad)
		}
	}
	a.plan.Ended(names, failed, time.Now())
	if len(failed) == 0 && a.sticks.quiet() {
		a.o.Status("in step, " + time.Now().Format("15:04:05"))
	} else if len(failed) > 0 {
		a.o.Status("trouble: see the log")
	}
}

// problem is something that goes wrong again and again: people hear of it once.
type problem struct{ text string }

func (p *problem) is(err error, warn func(string, ...any), over string) {
	switch {
	case err == nil && p.text != "":
		p.text = ""
		warn("%s", over)
	case err != nil && err.Error() != p.text:
		p.text = err.Error()
		warn("%v", err)
	}
}

// asker asks the node's database and servers, with connections of its own that take no lock.
type asker struct {
	home  string
	stamp string // of the configuration that was read last
	conf  *config.Config
	node  *node.Node // nil: not connected
}

// config returns the configuration, and whether it is another than before.
func (a *asker) config() (*config.Config, bool, error) {
	stamp, err := config.Stamp(a.home)
	if err == nil && stamp == a.stamp {
		return a.conf, false, nil
	}
	c, err := config.Read(a.home)
	if err != nil {
		return nil, false, err
	}
	a.close()
	a.conf, a.stamp = c, stamp
	return c, true, nil
}

// connected returns the node with its keys and its database open.
func (a *asker) connected(ctx context.Context) (*node.Node, error) {
	if a.node != nil {
		return a.node, nil
	}
	n, err := openNode(ctx, a.home)
	if err != nil {
		return nil, err
	}
	n.DB.SetMaxOpenConns(1)
	a.node = n
	return n, nil
}

// openNode opens the node with its keys and its database, and without its lock.
func openNode(ctx context.Context, home string) (*node.Node, error) {
	n, err := node.Open(ctx, home, node.Read)
	if err != nil {
		return nil, err
	}
	if err = n.LoadKeys(); err == nil {
		err = n.Connect(ctx)
	}
	if err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// sign asks the database.
func (a *asker) sign(ctx context.Context) (pace.Sign, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	n, err := a.connected(ctx)
	if err != nil {
		return pace.Sign{}, err
	}
	s, err := n.Sign(ctx)
	if err != nil {
		a.close()
	}
	return s, err
}

// client returns what asks a server.
func (a *agent) client(ctx context.Context, l config.Link) (waitingClient, error) {
	n, err := openNode(ctx, a.o.Home)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	return links.Client(ctx, n, &l, a.o.Warn)
}

func (a *asker) close() {
	if a.node != nil {
		a.node.Close()
		a.node = nil
	}
}
