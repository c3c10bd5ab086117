package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/netfault"
)

// fault is a bad network between a clinic that syncs and a hub that serves.
type fault struct {
	name     string
	down, up int               // KiB of text in the rows that go to the clinic, and to the hub; 0: 4200 and 2800
	link     netfault.Faults   // what the connections meet
	http     *netfault.Repeats // what the requests meet, instead, without TLS
	others   bool              // somebody else sends requests at the same time
	blows    []blow            // for each direction
	happened func(f *pair) bool
}

// blow kills a process in the middle of a transfer.
type blow struct {
	at   float64 // how much of the file has passed then, from 0 to 1
	node string
}

func faults() []fault {
	return []fault{
		{name: "64 kbit/s", down: 200, up: 200, link: netfault.Faults{Rate: 8 << 10, Latency: 300 * time.Millisecond},
			happened: func(*pair) bool { return true }},
		{name: "black holes", link: netfault.Faults{Blackhole: 0.12, CutMin: 400 << 10, CutMax: 1200 << 10},
			happened: func(p *pair) bool { return p.tcp.Stats().Blackholed > 0 }},
		{name: "all of it", link: netfault.Faults{Refuse: 0.25, CutMin: 100 << 10, CutMax: 900 << 10, StallEvery: 400 << 10,
			Stall: 300 * time.Millisecond, Rate: 512 << 10, Latency: 30 * time.Millisecond, Blackhole: 0.03},
			blows:    []blow{{0.3, "kisumu"}, {0.6, "hub"}},
			happened: func(p *pair) bool { s := p.tcp.Stats(); return s.Cut > 0 && s.Stalled > 0 && s.Refused > 0 }},
		{name: "cut", link: netfault.Faults{CutMin: 1, CutMax: 900 << 10, Latency: 10 * time.Millisecond},
			happened: func(p *pair) bool { return p.tcp.Stats().Cut > 5 }},
		{name: "stalled", link: netfault.Faults{StallEvery: 300 << 10, Stall: 500 * time.Millisecond},
			happened: func(p *pair) bool { return p.tcp.Stats().Stalled > 5 }},
		{name: "refused", link: netfault.Faults{Refuse: 0.3, CutMin: 300 << 10, CutMax: 900 << 10},
			happened: func(p *pair) bool { return p.tcp.Stats().Refused > 2 }},
		{name: "hub killed", link: netfault.Faults{Rate: 512 << 10}, blows: []blow{{0.3, "hub"}, {0.7, "hub"}},
			happened: func(*pair) bool { return true }},
		{name: "clinic killed", link: netfault.Faults{Rate: 512 << 10},
			blows:    []blow{{0.25, "kisumu"}, {0.5, "kisumu"}, {0.75, "kisumu"}},
			happened: func(*pair) bool { return true }},
		{name: "duplicated", http: &netfault.Repeats{Duplicate: 0.6},
			happened: func(p *pair) bool { return p.http.Stats().Duplicated > 5 }},
		{name: "late", http: &netfault.Repeats{Late: 0.8},
			happened: func(p *pair) bool { return p.http.Stats().Late > 3 }},
		{name: "overtaken", http: &netfault.Repeats{Late: 0.4, Hold: 2 * time.Second}, others: true,
			happened: func(p *pair) bool { return p.http.Stats().Late > 3 }},
		{name: "lost replies", http: &netfault.Repeats{LoseReply: 0.4},
			happened: func(p *pair) bool { return p.http.Stats().Lost > 3 }},
		{name: "all of HTTP", http: &netfault.Repeats{Duplicate: 0.4, Late: 0.2, LoseReply: 0.2},
			happened: func(p *pair) bool { s := p.http.Stats(); return s.Duplicated > 2 && s.Late > 0 && s.Lost > 2 }},
	}
}

// TestFaults lets a clinic fetch some MiB from a hub over a bad network and send some back, each a process of its own, until
// neither has anything left to say. OMSYNC_SEED picks what happens on the network (a number; "any" draws one).
func TestFaults(t *testing.T) {
	seed := uint64(1)
	switch s := os.Getenv("OMSYNC_SEED"); s {
	case "":
	case "any":
		seed = uint64(rand.Uint32())
	default:
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("OMSYNC_SEED: %v", err)
		}
	}
	t.Logf("OMSYNC_SEED=%d", seed)
	var table bytesTable
	t.Cleanup(func() { t.Logf("OMSYNC_SEED=%d\n%s", seed, &table) })
	for _, c := range faults() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, seed, &table)
		})
	}
}

func (c fault) run(t *testing.T, seed uint64, table *bytesTable) {
	began := time.Now()
	if c.down == 0 {
		c.down, c.up = 4200, 2800
	}
	c.link.Seed = seed
	p := newPair(t, dbtest.Server(t), c.http != nil, seed)
	p.fill("hub", c.down)
	p.start()
	p.join()
	if c.http != nil {
		c.http.Seed = seed
		p.http.Set(*c.http)
	} else {
		p.tcp.Set(c.link)
	}
	if c.others {
		p.others()
	}
	row := bytesRow{name: c.name}

	// The full load.
	stop := p.strike(c.blows, func() int64 { return p.passed().down }, c.down)
	base := p.passed()
	p.syncUntil(func() bool { return p.count("kisumu") == p.rows })
	stop()
	row.download, row.downWire = p.stored("hub")[p.largest("hub")], p.passed().down-base.down
	p.quiet()

	// The way back, while the hub has something to say too.
	p.fill("kisumu", c.up)
	dbtest.Exec(t, p.db["hub"], `UPDATE site SET name = 'renamed'`)
	before := p.stored("kisumu")
	base = p.passed()
	stop = p.strike(c.blows, func() int64 { return p.passed().up }, c.up)
	p.syncUntil(func() bool { return p.count("hub") == p.rows && p.sent(p.largest("kisumu")) })
	stop()
	after := p.passed()
	row.wire, row.swallowed = after.up-base.up, after.swallowed-base.swallowed
	for name, size := range p.stored("kisumu") {
		if _, old := before[name]; !old {
			row.upload += size
		}
	}
	if c.http != nil {
		p.http.Flush()
	}
	p.quiet()
	p.syncUntil(func() bool { return c.happened(p) })

	p.same()
	p.clean()
	p.onceOnly()
	p.secrets()
	p.stop()
	row.took = time.Since(began)
	t.Log(row.String())
	if c.http != nil {
		t.Logf("network: %+v", p.http.Stats())
	} else {
		t.Logf("network: %+v", p.tcp.Stats())
	}
	table.add(row)
	// What a network takes, and delivers only after the connection broke, has to be sent again by whatever protocol.
	if more := percent(row.wire-row.swallowed, row.upload); more > 5 {
		t.Errorf("the upload took %.1f %% more than the file has, want 5 %% at most", more)
	}
	if more := percent(row.downWire, row.download); more > 5 {
		t.Errorf("the download took %.1f %% more than the file has, want 5 %% at most", more)
	}
}

// others sends requests of somebody else, until the test ends.
func (p *pair) others() {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	done := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
			}
			if r, err := client.Get("http://" + p.http.Addr() + "/v1/health"); err == nil {
				r.Body.Close()
			}
		}
	})
	p.t.Cleanup(func() {
		close(done)
		work.Wait()
	})
}

// bytesRow is what one case cost.
type bytesRow struct {
	name                    string
	upload, wire, swallowed int64 // of the files, small acknowledgements too
	download, downWire      int64
	took                    time.Duration
}

// percent is what passed more than the size, in percent of it.
func percent(passed, size int64) float64 { return 100 * float64(passed-size) / float64(max(1, size)) }

func (r bytesRow) String() string {
	s := fmt.Sprintf("upload of %d bytes: %d bytes on the wire (%+.1f %%)", r.upload, r.wire, percent(r.wire, r.upload))
	if r.swallowed > 0 {
		s += fmt.Sprintf(", of them %d that the network took and did not deliver in time", r.swallowed)
	}
	return s + fmt.Sprintf("; download of %d bytes: %d (%+.1f %%)", r.download, r.downWire, percent(r.downWire, r.download))
}

// bytesTable collects what all cases cost.
type bytesTable struct {
	mu   sync.Mutex
	rows []bytesRow
}

func (b *bytesTable) add(r bytesRow) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, r)
}

func (b *bytesTable) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "case\tupload\ton the wire\tmore\tswallowed\tdownload\ton the wire\tmore\tseconds\t")
	for _, r := range b.rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%+.1f %%\t%d\t%d\t%d\t%+.1f %%\t%.1f\t\n",
			r.name, r.upload, r.wire, percent(r.wire, r.upload), r.swallowed,
			r.download, r.downWire, percent(r.downWire, r.download), r.took.Seconds())
	}
	w.Flush()
	return text.String()
}
