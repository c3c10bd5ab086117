package netfault

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// listen runs a server for raw connections and returns its address.
func listen(t testing.TB, serve func(c *net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		work.Wait()
	})
	return listener.Addr().String()
}

// echo answers with what it gets.
func echo(c *net.TCPConn) { io.Copy(c, c) }

// sink reads to the end and then says one byte.
func sink(c *net.TCPConn) {
	if _, err := io.Copy(io.Discard, c); err == nil {
		c.Write([]byte{1})
	}
}

// source sends until nobody wants more.
func source(c *net.TCPConn) {
	buf := make([]byte, 8<<10)
	for {
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c.(*net.TCPConn)
}

// isReset reports whether an error is that of an RST, seen while reading or while writing.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// ping sends a byte to an echo server and reads it.
func ping(c net.Conn) error {
	if _, err := c.Write([]byte{7}); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// try pings over a new connection. A connection can be reset before connect has returned.
func try(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return ping(c)
}

func TestGoodLink(t *testing.T) {
	p := Start(t, listen(t, echo), Faults{Seed: 1})
	var all sync.WaitGroup
	for n := range 3 {
		c := dial(t, p.Addr())
		sent := make([]byte, 3<<20)
		rand.NewChaCha8([32]byte{byte(n)}).Read(sent)
		all.Go(func() {
			c.Write(sent)
			c.CloseWrite() // the end of one direction passes, and the other goes on
		})
		all.Go(func() {
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("got %d bytes of %d, or others, and %v", len(got), len(sent), err)
			}
		})
	}
	all.Wait()
	if got, want := p.Stats(), (Stats{Connections: 3, Up: 9 << 20, Down: 9 << 20}); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

// An RST of the server reaches the client, behind the bytes sent before.
func TestServerResets(t *testing.T) {
	p := Start(t, listen(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 1))
		c.Write([]byte("no"))
		abort(c)
	}), Faults{})
	c := dial(t, p.Addr())
	c.Write([]byte{1})
	got, err := io.ReadAll(c)
	if string(got) != "no" || !isReset(err) {
		t.Errorf("read %q and %v, want what was sent and a reset", got, err)
	}
}

func TestRefuse(t *testing.T) {
	const connections = 200
	target := listen(t, echo)
	pattern := func(f Faults) (refused []bool, total int) {
		p := Start(t, target, f)
		for range connections {
			err := try(p.Addr())
			if err != nil && !isReset(err) {
				t.Fatalf("a refused connection ends with %v, want a reset", err)
			}
			refused = append(refused, err != nil)
			if err != nil {
				total++
			}
		}
		if s := p.Stats(); s.Refused != int64(total) || s.Connections != connections {
			t.Errorf("stats are %+v, want %d refused of %d", s, total, connections)
		}
		return refused, total
	}
	first, total := pattern(Faults{Seed: 5, Refuse: 0.3})
	if total < connections/5 || total > connections*2/5 {
		t.Errorf("%d of %d connections are refused, want about 30 %%", total, connections)
	}
	again, _ := pattern(Faults{Seed: 5, Refuse: 0.3, CutMin: 100, CutMax: 200})
	other, _ := pattern(Faults{Seed: 6, Refuse: 0.3})
	same := func(a, b []bool) bool {
		for i := range a {
			if a[i] != b[i] {
				return false
			}
		}
		return true
	}
	if !same(first, again) {
		t.Error("one seed refuses other connections the second time")
	}
	if same(first, other) {
		t.Error("two seeds refuse the same connections")
	}
	if _, total := pattern(Faults{Refuse: 1}); total != connections {
		t.Errorf("%d of %d are refused, want all", total, connections)
	}
}

// A cut comes after a number of bytes in the range, of both directions together, as a reset on both sides.
func TestCut(t *testing.T) {
	ended := make(chan error, 1)
	target := listen(t, func(c *net.TCPConn) {
		_, err := io.Copy(c, c)
		select {
		case ended <- err:
		case <-t.Context().Done(): // the test has given up
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		f := Faults{Seed: rapid.Uint64().Draw(rt, "seed"), CutMin: rapid.Int64Range(1, 300_000).Draw(rt, "least")}
		f.CutMax = f.CutMin + rapid.Int64Range(0, 100_000).Draw(rt, "more")
		if rapid.Bool().Draw(rt, "slower") {
			f.Latency = time.Millisecond
		}
		p := Start(t, target, f)
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			rt.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		written := make(chan error, 1)
		go func() {
			_, err := c.Write(make([]byte, 1<<20))
			written <- err
		}()
		got, err := io.Copy(io.Discard, c)
		// Linux tells of a reset once: to the reader or to the writer, whoever asks first.
		if wrote := <-written; !isReset(err) && !isReset(wrote) {
			rt.Fatalf("the connection ends with %v and %v, want a reset", err, wrote)
		}
		if err := <-ended; !isReset(err) {
			rt.Fatalf("the connection ends for the server with %v, want a reset", err)
		}
		s := p.Stats()
		if sum := s.Up + s.Down; sum < f.CutMin || sum > f.CutMax || s.Cut != 1 || got > s.Down {
			rt.Fatalf("cut with %+v, of which the client got %d; want from %d to %d", s, got, f.CutMin, f.CutMax)
		}
	})
}

// Cuts are all over the range, and the same again with the same seed.
func TestCutsAreSpread(t *testing.T) {
	f := Faults{Seed: 9, CutMin: 1000, CutMax: 1999}
	seen := map[int64]int{}
	for n := range int64(1000) {
		cut := f.fate(n).cut
		if cut < 1000 || cut > 1999 || cut != f.fate(n).cut {
			t.Fatalf("connection %d is cut after %d bytes", n, cut)
		}
		seen[(cut-1000)/100]++
	}
	for tenth := range int64(10) {
		if seen[tenth] < 60 || seen[tenth] > 150 {
			t.Errorf("%d of 1000 cuts are in part %d of ten", seen[tenth], tenth)
		}
	}
}

// A cut does not wait for ever for a side that reads nothing.
func TestCutWithoutReader(t *testing.T) {
	p := Start(t, listen(t, source), Faults{CutMin: 8 << 20, CutMax: 8 << 20})
	c := dial(t, p.Addr())
	// Full buffers stand before the cut, so it is far; what fits is not cut. Then the cut is brought near.
	waitFor(t, "the buffers are full", func() bool {
		before := p.Stats().Down
		time.Sleep(50 * time.Millisecond)
		return before == p.Stats().Down && before > 0
	})
	p.Set(Faults{CutMin: 1, CutMax: 1})
	go c.Write(make([]byte, 1<<20)) // the source reads nothing either
	waitFor(t, "the cut", func() bool { return p.Stats().Cut == 1 })
	waitFor(t, "the reset", func() bool { return len(openOf(p.server)) == 0 })
}

func TestStall(t *testing.T) {
	const stall = 150 * time.Millisecond
	p := Start(t, listen(t, sink), Faults{StallEvery: 100_000, Stall: stall})
	c := dial(t, p.Addr())
	begin := time.Now()
	// Three stalls at 100,000, 200,000 and 300,000 bytes.
	if _, err := c.Write(make([]byte, 350_000)); err != nil {
		t.Fatal(err)
	}
	c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || len(got) != 1 {
		t.Fatalf("got %d bytes and %v", len(got), err)
	}
	if took := time.Since(begin); took < 3*stall || took > 3*stall+2*time.Second {
		t.Errorf("took %v, want three stalls of %v", took, stall)
	}
	if s := p.Stats(); s.Stalled != 3 || s.Up != 350_000 {
		t.Errorf("stats are %+v, want 3 stalls and 350000 bytes up", s)
	}
}

// A stall is for all connections and both directions, lasts, and ends when the faults change.
func TestStallUntilSet(t *testing.T) {
	p := Start(t, listen(t, echo), Faults{StallEvery: 4, Stall: time.Hour})
	first, second := dial(t, p.Addr()), dial(t, p.Addr())
	for range 2 { // each is two bytes
		if err := ping(first); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*net.TCPConn{first, second} {
		c.Write([]byte{7})
		c.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("while everything stands still read says %v", err)
		}
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
	}
	p.Set(Faults{})
	for _, c := range []*net.TCPConn{first, second} {
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("after the stall read says %v", err)
		}
	}
	if s := p.Stats(); s.Stalled != 1 || s.Up != 4 || s.Down != 4 {
		t.Errorf("stats are %+v, want one stall and 4 bytes each way", s)
	}
}

// The rate is for each direction, of all connections together.
func TestRate(t *testing.T) {
	for _, bytesPerSecond := range []int64{40_000, 4_000_000} {
		p := Start(t, listen(t, sink), Faults{Rate: bytesPerSecond})
		begin := time.Now()
		var all sync.WaitGroup
		for range 3 {
			c := dial(t, p.Addr())
			all.Go(func() {
				c.Write(make([]byte, bytesPerSecond/3))
				c.CloseWrite()
				if got, err := io.ReadAll(c); err != nil || len(got) != 1 {
					t.Errorf("got %d bytes and %v", len(got), err)
				}
			})
		}
		all.Wait()
		if took := time.Since(begin); took < 800*time.Millisecond || took > 1200*time.Millisecond {
			t.Errorf("a second's worth of bytes at %d per second took %v", bytesPerSecond, took)
		}

		down := Start(t, listen(t, source), Faults{Rate: bytesPerSecond})
		c := dial(t, down.Addr())
		begin = time.Now()
		if _, err := io.CopyN(io.Discard, c, bytesPerSecond/2); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 400*time.Millisecond || took > 600*time.Millisecond {
			t.Errorf("half a second's worth of bytes down at %d per second took %v", bytesPerSecond, took)
		}
	}
}

// A sender is not much ahead of a slow link: what it could send is what its own socket holds.
func TestRatePushesBack(t *testing.T) {
	p := Start(t, listen(t, sink), Faults{Rate: 1000})
	c := dial(t, p.Addr())
	c.SetWriteBuffer(32 << 10)
	c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := c.Write(make([]byte, 8<<20)); err == nil || n > 1<<20 {
		t.Errorf("%d bytes went at once into a link of 1000 bytes per second, with %v", n, err)
	}
	if s := p.Stats(); s.Up > 1200 {
		t.Errorf("%d bytes came through in less than a second, want 1000 at most", s.Up)
	}
}

func TestLatency(t *testing.T) {
	const latency = 60 * time.Millisecond
	p := Start(t, listen(t, echo), Faults{Latency: latency})
	c := dial(t, p.Addr())
	begin := time.Now()
	for range 3 {
		if err := ping(c); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begin); took < 6*latency || took > 8*latency {
		t.Errorf("three times there and back took %v, want %v", took, 6*latency)
	}
	// It is no rate: much at once takes no longer, to and fro.
	begin = time.Now()
	go c.Write(make([]byte, 500_000))
	if _, err := io.CopyN(io.Discard, c, 500_000); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 2*latency || took > 4*latency {
		t.Errorf("500000 bytes there and back took %v, want %v", took, 2*latency)
	}
}

func TestBlackhole(t *testing.T) {
	reached := make(chan struct{}, 1)
	p := Start(t, listen(t, func(*net.TCPConn) { reached <- struct{}{} }), Faults{Blackhole: 1})
	c := dial(t, p.Addr())
	c.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := c.Write(make([]byte, 100)); err != nil {
		t.Errorf("write says %v, want that it is taken", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read says %v, want nothing at all", err)
	}
	// One that sends much is not rid of it.
	c.SetDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := c.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write of much says %v, want that it blocks", err)
	}
	// New faults are for new connections.
	p.Set(Faults{})
	dial(t, p.Addr())
	<-reached
	c.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read says %v, want nothing still", err)
	}
	p.Reset()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("read says %v, want a reset", err)
	}
	if s := p.Stats(); s.Blackholed != 1 || s.Connections != 2 || s.Up+s.Down != 0 {
		t.Errorf("stats are %+v, want one in the black hole of two", s)
	}
}

// A connection that was to be cut lives on when the faults are taken away, and the other way round.
func TestSetChangesTheCut(t *testing.T) {
	p := Start(t, listen(t, echo), Faults{CutMin: 11, CutMax: 11})
	c := dial(t, p.Addr())
	for n := range 30 {
		if n == 5 { // ten bytes
			p.Set(Faults{})
		}
		if err := ping(c); err != nil {
			t.Fatalf("ping %d: %v", n, err)
		}
	}
	p.Set(Faults{CutMin: 5, CutMax: 5})
	for n := range 2 {
		if err := ping(c); err != nil {
			t.Fatalf("ping %d: %v", n, err)
		}
	}
	if err := ping(c); !isReset(err) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestReset(t *testing.T) {
	p := Start(t, listen(t, echo), Faults{})
	first, second := dial(t, p.Addr()), dial(t, p.Addr())
	for _, c := range []*net.TCPConn{first, second} {
		if err := ping(c); err != nil {
			t.Fatal(err)
		}
	}
	p.Reset()
	for _, c := range []*net.TCPConn{first, second} {
		if _, err := c.Read(make([]byte, 1)); !isReset(err) {
			t.Errorf("got %v, want a reset", err)
		}
	}
	if err := ping(dial(t, p.Addr())); err != nil {
		t.Errorf("a new connection: %v", err)
	}
	if s := p.Stats(); s.Cut != 0 || s.Connections != 3 {
		t.Errorf("stats are %+v, want three connections and no cut", s)
	}
}

func TestRetarget(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	p := Start(t, nobody.Addr().String(), Faults{})
	if err := try(p.Addr()); !isReset(err) {
		t.Errorf("without a server got %v, want a reset", err)
	}
	p.Retarget(listen(t, echo))
	first := dial(t, p.Addr())
	if err := ping(first); err != nil {
		t.Error(err)
	}
	p.Retarget(listen(t, sink))
	second := dial(t, p.Addr())
	second.CloseWrite()
	if got, err := io.ReadAll(second); err != nil || !bytes.Equal(got, []byte{1}) {
		t.Errorf("got %v and %v, want the second server", got, err)
	}
	if err := ping(first); err != nil {
		t.Errorf("a connection there was before: %v", err)
	}
	if s := p.Stats(); s.Unreached != 1 || s.Connections != 3 {
		t.Errorf("stats are %+v, want one of three that reached nobody", s)
	}
}
