package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/pace"
	"github.com/omsync/omsync/transport/web"
)

// waitingClient is what asks a server: *client.Client.
type waitingClient interface {
	Wait(ctx context.Context, known string, most time.Duration) ([]web.Mail, string, error)
	Close() error
}

// waiter waits at one server.
type waiter struct {
	link  config.Link
	stop  context.CancelFunc
	done  chan struct{}
	start time.Duration // before the first time: where the power comes back, many call
	least func(news bool) time.Duration
}

// event is what a waiter has to say. The reply is how long it should leave the server alone.
type event struct {
	link  config.Link
	what  what
	err   error
	reply chan time.Duration
}

// what happened.
type what int

const (
	mail  what = iota // there is mail that was not there before
	quiet             // the server answered, and has nothing new
	dumb              // the server answered, and cannot say when it has something
	lost              // the server did not answer
)

// keepWaiters has a waiter for each server, as it is configured now.
func (a *agent) keepWaiters(ctx context.Context, kinds map[string]pace.Kind) {
	for url, w := range a.waiters {
		if l, ok := a.links[url]; !ok || kinds[url] != pace.Server || l.Peer != w.link.Peer || l.Pin != w.link.Pin {
			w.stop()
			delete(a.waiters, url)
		}
	}
	for url, kind := range kinds {
		if kind != pace.Server || a.waiters[url] != nil {
			continue
		}
		waiting, stop := context.WithCancel(ctx)
		w := &waiter{a.links[url], stop, make(chan struct{}), time.Duration(rand.Float64() * float64(pace.StartSpread)), leastPause}
		a.waiters[url] = w
		client := func() (waitingClient, error) { return a.client(waiting, w.link) }
		go func() {
			defer close(w.done)
			w.wait(waiting, client, a.events)
		}()
	}
}

// stopWaiters ends all waiters.
func (a *agent) stopWaiters() {
	for _, w := range a.waiters {
		w.stop()
		<-w.done
	}
}

// heard takes in what a waiter says.
func (a *agent) heard(e event) time.Duration {
	now := time.Now()
	url := e.link.URL
	if a.down[url] == nil {
		a.down[url] = &problem{}
	}
	if e.what != lost {
		e.err = nil
	}
	a.down[url].is(e.err, a.o.Warn, url+": it answers again")
	switch e.what {
	case mail:
		a.plan.Answered(url, true, now)
		a.plan.News(url, now)
	case quiet:
		a.plan.Answered(url, true, now)
	case dumb:
		a.plan.Answered(url, false, now)
		return pace.Spread(pace.Rest, rand.Float64()) // its runs are what tells how it is; now and then it is asked whether it was updated
	case lost:
		return a.plan.Lost(url)
	}
	return 0
}

// wait waits at the server until the context ends.
func (w *waiter) wait(ctx context.Context, open func() (waitingClient, error), events chan<- event) {
	if !sleep(ctx, w.start) {
		return
	}
	var c waitingClient
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	mark, known := "", pace.Known{}
	for ctx.Err() == nil {
		var err error
		if c == nil {
			c, err = open()
		}
		happened := lost
		began := time.Now()
		var list []web.Mail
		if err == nil {
			var now string
			list, now, err = c.Wait(ctx, mark, web.MaxWait)
			switch {
			case err == nil:
				happened = quiet
				if now != mark && known.News(names(list)) {
					happened = mail
				}
				mark = now
			case errors.Is(err, fs.ErrNotExist):
				happened = dumb
			}
		}
		e := event{w.link, happened, err, make(chan time.Duration, 1)}
		select {
		case events <- e:
		case <-ctx.Done():
			return
		}
		pause := <-e.reply
		pause = max(pause, w.least(list != nil)-time.Since(began))
		if !sleep(ctx, pause) {
			return
		}
	}
}

// leastWait is how long a wait without news takes at least: something on the way may not let it wait.
const leastWait = 5 * time.Second

// leastPause is how long there is from one request to the next at least.
func leastPause(news bool) time.Duration {
	if news {
		return pace.LeastPause
	}
	return leastWait
}

// names returns what tells each mail of a list from others.
func names(list []web.Mail) (out []string) {
	for _, m := range list {
		out = append(out, fmt.Sprint(m.Name, " ", m.Size))
	}
	return out
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
