package netfault

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// Faults says how bad the link is. The zero value is a good one. Bytes are payload of TCP.
type Faults struct {
	Seed uint64

	// Refuse is the share of connections, 0 to 1, that are reset as soon as they are there. The client may learn of it from
	// connect or from the first read or write.
	Refuse float64

	// Each connection is cut with an RST on both sides after a number of bytes from CutMin to CutMax, both directions counted
	// together. With CutMax 0 none is. On Linux the bytes before it are in the receiver's socket by then, if it takes them;
	// elsewhere those that its program has not read may be lost with it.
	CutMin, CutMax int64

	// After every StallEvery bytes, of all connections and both directions together, nothing moves for Stall.
	StallEvery int64
	Stall      time.Duration

	// Rate is the number of bytes per second each way, shared by all connections; 0 is unlimited.
	Rate int64

	// Latency is what each way takes longer. A direction of a connection has at most about 1 MiB on its way.
	Latency time.Duration

	// Blackhole is the share of connections, 0 to 1, of those that are not refused, that are accepted, never reach the server
	// and get no answer. They take 256 KiB, and then sending blocks as well.
	Blackhole float64
}

// Stats counts since Start.
type Stats struct {
	Connections int64 // all that were accepted, whatever became of them
	Refused     int64
	Blackholed  int64
	Unreached   int64 // reset because the target could not be connected to
	Cut         int64
	Stalled     int64 // how often everything stood still

	Up, Down int64 // bytes handed on to the server and to the client
}

// Proxy is a TCP proxy that is a bad link.
type Proxy struct {
	*server

	mu    sync.Mutex
	era   *era
	stats Stats
}

// Start makes a bad link to a target, a host:port. It ends with the test; connections there are then are reset.
func Start(t testing.TB, target string, f Faults) *Proxy {
	t.Helper()
	p := &Proxy{server: newServer(t, target), era: newEra(f)}
	p.run(t, p.serve)
	return p
}

// Set changes the faults from now on. Connections there are get the new rate, latency and stalls at once, a stall that goes
// on ends, and they are cut, if at all, after as many bytes as the new faults say, counted from now. Those that are in a
// black hole stay there.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.era.over)
	p.era = newEra(f)
}

// Stats tells what happened so far.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := p.stats
	stats.Connections = p.accepted()
	return stats
}

// count changes the numbers.
func (p *Proxy) count(change func(*Stats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.stats)
}

func (p *Proxy) now() *era {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.era
}

// serve is one connection from beginning to end.
func (p *Proxy) serve(ctx context.Context, cancel context.CancelFunc, number int64, client *net.TCPConn) {
	fate := p.now().fate(number)
	if fate.refused {
		p.count(func(s *Stats) { s.Refused++ })
		abort(client)
		return
	}
	defer context.AfterFunc(ctx, func() { abort(client) })()
	if fate.blackhole {
		p.count(func(s *Stats) { s.Blackholed++ })
		// A client that goes away is let go; one that has much to send finds that nobody takes it.
		if _, err := io.CopyN(io.Discard, client, 256<<10); err == nil {
			<-ctx.Done()
		}
		abort(client)
		return
	}
	target, err := p.dial(ctx)
	if err != nil {
		p.count(func(s *Stats) { s.Unreached++ })
		abort(client)
		return
	}
	defer context.AfterFunc(ctx, func() { abort(target) })()
	l := &link{p: p, ctx: ctx, reset: cancel, number: number, client: client, target: target}
	l.run()
	if ctx.Err() != nil {
		abort(client)
		abort(target)
		return
	}
	client.Close()
	target.Close()
}

// maxPiece is the most bytes that move at once.
const maxPiece = 16 << 10

// era is the time from one Set to the next. What changes in it is guarded by Proxy.mu.
type era struct {
	Faults
	over     chan struct{} // closed when the next one begins
	piece    int64         // the most bytes that move at once at this rate
	up, down *rate.Limiter

	untilStall   int64
	stalledUntil time.Time
}

func newEra(f Faults) *era {
	e := &era{Faults: f, over: make(chan struct{}), piece: maxPiece, untilStall: f.StallEvery}
	if f.Rate > 0 {
		e.piece = min(maxPiece, max(1, f.Rate/50))
		e.up, e.down = newLimiter(f.Rate), newLimiter(f.Rate)
	}
	return e
}

// newLimiter allows what a busy machine did not get round to in a tenth of a second to be made up for, but gives nothing in
// advance.
func newLimiter(bytesPerSecond int64) *rate.Limiter {
	burst := int(max(1, bytesPerSecond/10))
	l := rate.NewLimiter(rate.Limit(bytesPerSecond), burst)
	l.AllowN(time.Now(), burst)
	return l
}

// delay books n bytes and says how long they have to wait.
func (e *era) delay(n int, up bool) time.Duration {
	limiter := e.down
	if up {
		limiter = e.up
	}
	if limiter == nil {
		return 0
	}
	return limiter.ReserveN(time.Now(), n).Delay()
}

// fate is what becomes of a connection.
type fate struct {
	refused, blackhole bool
	cut                int64 // after so many bytes; -1 is never
}

func (f Faults) fate(number int64) fate {
	// All is drawn for each connection, so that changing one fault leaves the others as they were.
	r := rand.New(rand.NewPCG(f.Seed, uint64(number)))
	refuse, blackhole, cut := r.Float64(), r.Float64(), r.Float64()
	result := fate{refused: refuse < f.Refuse, blackhole: blackhole < f.Blackhole, cut: -1}
	if f.CutMax > 0 {
		least := max(1, min(f.CutMin, f.CutMax))
		result.cut = least + int64(cut*float64(f.CutMax-least+1))
	}
	return result
}
