package netfault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// link is one connection that reached the server. Each direction has a goroutine that reads, and lets bytes in when rate,
// stalls and the cut allow it, and one that writes them when the latency is over.
type link struct {
	p              *Proxy
	ctx            context.Context // over when the connection is reset
	reset          context.CancelFunc
	number         int64
	client, target *net.TCPConn

	// Guarded by Proxy.mu.
	era    *era
	left   int64 // bytes until the cut; -1 is never, 0 is as soon as what is on its way has arrived
	flying int   // pieces let in and not yet written
}

// piece is some bytes on their way, or the end of them.
type piece struct {
	data    []byte
	entered time.Time
	end     error // io.EOF: the sender has no more. Others: it reset the connection
}

// run returns when both directions have ended or the connection was reset.
func (l *link) run() {
	// With the buffers that Linux would give, a sender would be done long before its bytes get into a slow link.
	l.client.SetReadBuffer(64 << 10)
	l.target.SetReadBuffer(64 << 10)
	var work sync.WaitGroup
	carry := func(from, to *net.TCPConn, up bool) {
		pieces := make(chan piece, 64)
		work.Go(func() { l.take(from, pieces, up) })
		work.Go(func() { l.deliver(pieces, to, up) })
	}
	carry(l.client, l.target, true)
	carry(l.target, l.client, false)
	work.Wait()
}

// take reads to the end.
func (l *link) take(from *net.TCPConn, pieces chan<- piece, up bool) {
	buf := make([]byte, maxPiece)
	for {
		n, err := from.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			n, stall, ok := l.admit(len(rest), up)
			if !ok || !l.push(pieces, piece{data: bytes.Clone(rest[:n]), entered: time.Now()}) {
				return
			}
			if stall != nil {
				l.p.stall(stall)
			}
			rest = rest[n:]
		}
		if err != nil {
			l.push(pieces, piece{entered: time.Now(), end: err})
			return
		}
	}
}

func (l *link) push(pieces chan<- piece, pc piece) bool {
	select {
	case pieces <- pc:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// admit waits until some of the bytes that are wanted to move may, and says how many. If stall is not nil, everything stands
// still behind them. When it is not ok no more move on this connection.
func (l *link) admit(want int, up bool) (n int, stall *era, ok bool) {
	for {
		l.p.mu.Lock()
		e := l.p.era
		if wait := time.Until(e.stalledUntil); wait > 0 {
			l.p.mu.Unlock()
			if !l.wait(wait, e) {
				return 0, nil, false
			}
			continue
		}
		if l.era != e && l.left != 0 || l.era == nil {
			l.era, l.left = e, e.fate(l.number).cut
		}
		if l.left == 0 {
			l.p.mu.Unlock()
			return 0, nil, false
		}
		n := min(int64(want), e.piece)
		if l.left > 0 {
			n = min(n, l.left)
		}
		if e.StallEvery > 0 {
			n = min(n, e.untilStall)
			e.untilStall -= n
			if e.untilStall == 0 {
				e.untilStall = e.StallEvery
				stall = e
				l.p.stats.Stalled++
			}
		}
		if l.left > 0 {
			l.left -= n
			if l.left == 0 {
				l.p.stats.Cut++
				// The cut comes when all bytes before it are through, but does not wait for a receiver that takes none.
				soon := time.Now().Add(e.Latency + 2*time.Second)
				l.client.SetWriteDeadline(soon)
				l.target.SetWriteDeadline(soon)
			}
		}
		l.flying++
		l.p.mu.Unlock()
		return int(n), stall, l.wait(e.delay(int(n), up), e)
	}
}

// stall begins one, unless the faults were changed.
func (p *Proxy) stall(e *era) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.stalledUntil = time.Now().Add(e.Stall)
}

// deliver writes what was read, in order, each piece when its latency is over.
func (l *link) deliver(pieces <-chan piece, to *net.TCPConn, up bool) {
	for {
		var pc piece
		select {
		case pc = <-pieces:
		case <-l.ctx.Done():
			return
		}
		for {
			e := l.p.now()
			rest := time.Until(pc.entered.Add(e.Latency))
			if rest <= 0 {
				break
			}
			if !l.wait(rest, e) {
				return
			}
		}
		if errors.Is(pc.end, io.EOF) {
			to.CloseWrite()
			return
		}
		if pc.end != nil {
			l.reset()
			return
		}
		if !l.write(to, pc.data, up) {
			l.drain()
			l.reset()
			return
		}
	}
}

// write hands on a piece, and is false if the connection is to be reset now.
func (l *link) write(to *net.TCPConn, data []byte, up bool) bool {
	// Counted before, so that nobody can have bytes that are not counted, and corrected after.
	l.count(len(data), up)
	n, err := to.Write(data)
	if n < len(data) {
		l.count(n-len(data), up)
	}
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	l.flying--
	return err == nil && (l.left != 0 || l.flying > 0)
}

// drain waits until what was handed on has reached both sockets: an RST takes with it what is still in the buffers of this
// side, which no sender of a real link would have paid for.
func (l *link) drain() {
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end) && queued(l.client)+queued(l.target) > 0; {
		if !l.wait(time.Millisecond, l.p.now()) {
			return
		}
	}
}

func (l *link) count(n int, up bool) {
	l.p.count(func(s *Stats) {
		if up {
			s.Up += int64(n)
		} else {
			s.Down += int64(n)
		}
	})
}

// wait lets time pass, and is false if the connection is reset meanwhile. It is shorter when the faults change.
func (l *link) wait(d time.Duration, e *era) bool {
	if d <= 0 {
		return l.ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.over:
	case <-l.ctx.Done():
	}
	return l.ctx.Err() == nil
}
