package netfault

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// Repeats says what happens to requests. The zero value is nothing. Shares are from 0 to 1; one request can meet all three.
type Repeats struct {
	Seed uint64

	// Duplicate is the share of requests whose bytes arrive twice. The client gets the first answer. Half of the copies come
	// back to back: the server has answered the second before the client has the answer to the first. The others come after
	// one to four more requests have been answered.
	Duplicate float64

	// Late is the share of requests that are held back and arrive after the next one, whoever sends it, has been answered.
	// If none comes within Hold, the connection of the client is reset, and the request arrives after the next one all the
	// same. While one is held back no other is.
	Late float64
	Hold time.Duration // 0 is 200 ms

	// LoseReply is the share of requests that are answered, but the connection of the client is reset instead.
	LoseReply float64
}

// HTTPStats counts since StartHTTP.
type HTTPStats struct {
	Connections int64
	Requests    int64 // sent by clients
	Duplicated  int64 // copies that were answered by the server
	Late        int64 // requests held back until the next one was answered
	Lost        int64 // answers lost, with those to late requests whose client was not kept waiting
	Unanswered  int64 // reset because the server could not be connected to, or did not answer in full
}

// HTTPBytes counts since StartHTTP. What the proxy repeats does not count.
type HTTPBytes struct {
	Up        int64 // sent by clients
	Swallowed int64 // of these, those of requests whose client was reset before they arrived
	Down      int64 // answers that clients were sent
}

// HTTPProxy repeats, delays and loses plain HTTP/1.1 requests, byte for byte as the client sent them, Host included. Each
// goes to the server over a connection of its own. Requests, to 64 MiB, and answers are held in memory whole. It does not
// know CONNECT and Upgrade.
type HTTPProxy struct {
	*server
	t testing.TB

	mu      sync.Mutex
	repeats Repeats
	stats   HTTPStats
	bytes   HTTPBytes
	held    []*held
}

// held is a request that is to arrive later.
type held struct {
	request request
	after   int           // so many more are answered first
	late    bool          // it did not arrive yet; else it is a copy
	release chan struct{} // closed when the client's goroutine may send it; nil when nobody waits
}

var errLost = errors.New("lost on a faulty network")

// StartHTTP makes a proxy to a target, the host:port of a server that speaks plain HTTP. It ends with the test; what is held
// back then never arrives, see [HTTPProxy.Flush].
func StartHTTP(t testing.TB, target string, r Repeats) *HTTPProxy {
	t.Helper()
	p := &HTTPProxy{server: newServer(t, target), t: t, repeats: r}
	p.run(t, p.serve)
	return p
}

// Set changes what happens to the requests to come. Those held back stay so.
func (p *HTTPProxy) Set(r Repeats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.repeats = r
}

// Stats tells what happened so far.
func (p *HTTPProxy) Stats() HTTPStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := p.stats
	stats.Connections = p.accepted()
	return stats
}

// Bytes tells how many went through so far.
func (p *HTTPProxy) Bytes() HTTPBytes {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}

// Flush lets everything that is held back arrive now, in order. It returns when the copies, and the late requests whose
// client is gone, are answered.
func (p *HTTPProxy) Flush() {
	p.mu.Lock()
	all := p.held
	p.held = nil
	p.mu.Unlock()
	p.arrive(context.Background(), all)
}

// serve is one connection of a client.
func (p *HTTPProxy) serve(ctx context.Context, _ context.CancelFunc, _ int64, client *net.TCPConn) {
	defer client.Close()
	defer context.AfterFunc(ctx, func() { abort(client) })()
	requests := newRequests(&metered{client, p})
	for {
		r, err := requests.next()
		if errors.Is(err, errTooLarge) {
			p.t.Errorf("a faulty network got %v", err)
		}
		if err != nil {
			return
		}
		answer, err := p.pass(ctx, r)
		if err != nil {
			abort(client)
			return
		}
		p.mu.Lock()
		p.bytes.Down += int64(len(answer.raw))
		p.mu.Unlock()
		if _, err := client.Write(answer.raw); err != nil || answer.last || r.last {
			return
		}
	}
}

// metered is the connection of a client whose bytes are counted.
type metered struct {
	net.Conn
	p *HTTPProxy
}

func (m *metered) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	m.p.mu.Lock()
	m.p.bytes.Up += int64(n)
	m.p.mu.Unlock()
	return n, err
}

// chance is what happens to a request.
type chance struct {
	duplicate, late, lose bool
	after                 int // for the copy: so many more requests first
	hold                  time.Duration
}

func (p *HTTPProxy) draw() chance {
	p.mu.Lock()
	defer p.mu.Unlock()
	// All is drawn for each request, so that changing one fault leaves the others as they were.
	r := rand.New(rand.NewPCG(p.repeats.Seed, uint64(p.stats.Requests)))
	p.stats.Requests++
	duplicate, late, lose := r.Float64(), r.Float64(), r.Float64()
	c := chance{
		duplicate: duplicate < p.repeats.Duplicate,
		late:      late < p.repeats.Late,
		lose:      lose < p.repeats.LoseReply,
		hold:      p.repeats.Hold,
	}
	if r.IntN(2) == 1 {
		c.after = 1 + r.IntN(4)
	}
	if c.hold == 0 {
		c.hold = 200 * time.Millisecond
	}
	return c
}

// pass lets a request and its answer through. After an error the client's connection is to be reset.
func (p *HTTPProxy) pass(ctx context.Context, r request) (answer, error) {
	c := p.draw()
	if c.late && !p.holdBack(ctx, r, c.hold) {
		return answer{}, errLost
	}
	a, err := p.send(ctx, r)
	if err != nil {
		p.count(func(s *HTTPStats) { s.Unanswered++ })
		return answer{}, err
	}
	copied := &held{request: r, after: c.after}
	if c.duplicate && c.after == 0 {
		p.arrive(ctx, []*held{copied})
	}
	p.arrive(ctx, p.due())
	if c.duplicate && c.after > 0 {
		p.mu.Lock()
		p.held = append(p.held, copied)
		p.mu.Unlock()
	}
	if c.lose {
		p.count(func(s *HTTPStats) { s.Lost++ })
		return answer{}, errLost
	}
	return a, nil
}

// holdBack is true when the request may be sent, because it is no longer held back or another is, and false when it arrives
// after its client is gone.
func (p *HTTPProxy) holdBack(ctx context.Context, r request, hold time.Duration) bool {
	h := &held{request: r, after: 1, late: true, release: make(chan struct{})}
	p.mu.Lock()
	if slices.ContainsFunc(p.held, func(h *held) bool { return h.late }) {
		p.mu.Unlock()
		return true
	}
	p.held = append(p.held, h)
	p.mu.Unlock()

	timer := time.NewTimer(hold)
	defer timer.Stop()
	select {
	case <-h.release:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.held, h) {
		return true
	}
	h.release = nil
	p.stats.Lost++
	p.bytes.Swallowed += int64(len(r.raw))
	return false
}

// due is asked after each answer, and takes out what is to arrive after it.
func (p *HTTPProxy) due() []*held {
	p.mu.Lock()
	defer p.mu.Unlock()
	var due []*held
	p.held = slices.DeleteFunc(p.held, func(h *held) bool {
		h.after--
		if h.after <= 0 {
			due = append(due, h)
		}
		return h.after <= 0
	})
	return due
}

// arrive sends what was held back and waits for the answers, except for what a client waits for: that the client's own
// goroutine sends.
func (p *HTTPProxy) arrive(ctx context.Context, all []*held) {
	for _, h := range all {
		if h.late {
			p.count(func(s *HTTPStats) { s.Late++ })
		}
		if h.release != nil {
			close(h.release)
			continue
		}
		if _, err := p.send(ctx, h.request); err != nil {
			p.count(func(s *HTTPStats) { s.Unanswered++ })
		} else if !h.late {
			p.count(func(s *HTTPStats) { s.Duplicated++ })
		}
	}
}

func (p *HTTPProxy) count(change func(*HTTPStats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.stats)
}
