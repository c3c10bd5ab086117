package agent

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/transport/web"
)

// answer is what a server says once.
type answer struct {
	list []web.Mail
	err  error
}

// server answers what it is told to, and then waits until the test ends.
type server struct {
	answers []answer
	known   []string // the marks that it was asked with
	closed  bool
}

func (s *server) Wait(ctx context.Context, known string, most time.Duration) ([]web.Mail, string, error) {
	s.known = append(s.known, known)
	if len(s.answers) == 0 {
		<-ctx.Done()
		return nil, "", ctx.Err()
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	if a.err != nil {
		return nil, "", a.err
	}
	return a.list, web.MailMark(a.list), nil
}

func (s *server) Close() error {
	s.closed = true
	return nil
}

// heardOf returns what a waiter says of a server's answers, so many times.
func heardOf(t *testing.T, s *server, n int) (got []what) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	events := make(chan event)
	w := &waiter{link: config.Link{URL: "https://hub.example.org"}, done: make(chan struct{}), least: func(bool) time.Duration { return 0 }}
	go func() {
		defer close(w.done)
		w.wait(ctx, func() (waitingClient, error) { return s, nil }, events)
	}()
	for range n {
		e := <-events
		got = append(got, e.what)
		e.reply <- 0
	}
	stop()
	<-w.done
	if !s.closed {
		t.Error("the client is not closed")
	}
	return got
}

func TestWaiter(t *testing.T) {
	one, two := web.Mail{Name: "a.omsync", Size: 1}, web.Mail{Name: "b.omsync", Size: 2}
	down := errors.New("connection refused")
	s := &server{answers: []answer{
		{list: []web.Mail{}},         // nothing is there
		{list: []web.Mail{one}},      // a file came
		{list: []web.Mail{one, two}}, // another
		{list: []web.Mail{two}},      // one was taken: no news
		{err: down},
		{list: []web.Mail{two}}, // nothing new since
		{err: fs.ErrNotExist},   // a server of before
		{list: []web.Mail{one}}, // that was updated
	}}
	got := heardOf(t, s, 8)
	if want := []what{quiet, mail, mail, quiet, lost, quiet, dumb, mail}; !slices.Equal(got, want) {
		t.Errorf("heard %v, not %v", got, want)
	}
	if s.known[0] != "" || s.known[2] != web.MailMark([]web.Mail{one}) || s.known[5] != web.MailMark([]web.Mail{two}) {
		t.Errorf("asked with %q", s.known)
	}
}

// What something on the way answers at once, again and again, is not asked in haste.
func TestWaiterIsNotHasty(t *testing.T) {
	if d := leastPause(false); d != leastWait {
		t.Errorf("%v after nothing new", d)
	}
	if d := leastPause(true); d <= 0 || d >= leastWait {
		t.Errorf("%v after news", d)
	}
}
