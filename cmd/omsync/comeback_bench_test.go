//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/agent"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/pace"
	"github.com/omsync/omsync/transport/web/client"
)

const comingBack = 500

// BenchmarkComeBack has 500 agents start at one moment, as when the power comes back, each with a batch for one hub; and then has the hub go away
// and come back. The hub is a process of its own with a database; the agents are those of the program, in this process, with keys, homes and
// connections of their own, and one database for all, which has nothing new. It reports the seconds from the start until a clinic's
// batch is stored (p50, p99), and from the hub's return until a clinic's agent has heard it (p50, p99), the most of either in one
// second, and the hub's memory and processor's time in all.
//
// It takes as many connections to the database as there are agents, and more: it has the private server allow them, and is skipped with one that
// others use.
func BenchmarkComeBack(b *testing.B) {
	if b.N > 1 || os.Getenv("OMSYNC_TEST_DSN") != "" {
		b.Skip("one run takes long enough to measure once, with a server of its own: -benchtime 1x, without OMSYNC_TEST_DSN")
	}
	dir := b.TempDir()
	x := &bench{b: b, program: buildProgram(b), dir: dir}
	server := dbtest.Server(b)
	hubName, dsn := server.Database(b, tiny()...)
	_, own := server.Database(b, tiny()...)
	dbtest.Exec(b, server.Open(b, hubName), "SET GLOBAL max_connections = 3000", "INSERT INTO site (uuid, name) VALUES ('s-hub', 'district')")
	x.node("hub", dsn)
	x.node("clinic", own)
	hub := &loadTarget{bench: x}
	hub.open(dsn)
	hub.serve([]string{"--import"})
	clinic, err := node.OpenAll(b.Context(), filepath.Join(dir, "clinic"), node.Read, nodetest.Quiet)
	nodetest.Check(b, err)
	defer clinic.Close()
	nodetest.Check(b, journal.AddPeer(b.Context(), clinic.DB, &journal.Peer{Name: "hub", Role: "parent", Card: hub.card.Marshal(), Link: merge.Link{Number: 1}}))
	sign, err := clinic.Sign(b.Context())
	nodetest.Check(b, err)

	back := &comeback{hub: hub, seen: pace.Seen{Before: sign, After: sign}}
	ctx, stop := context.WithCancel(b.Context())
	var all sync.WaitGroup
	defer func() {
		stop()
		all.Wait()
	}()
	var agents []agent.Options
	for i := range comingBack {
		agents = append(agents, back.agent(hub.clinic(i), own))
	}
	back.began = time.Now()
	for _, o := range agents {
		all.Go(func() {
			if err := agent.Run(ctx, o); err != nil {
				b.Error(err)
			}
		})
	}
	back.wait(&back.stored, "batches that are stored")
	time.Sleep(15 * time.Second) // all wait at the hub
	address := strings.TrimPrefix(hub.address, "https://")
	hub.stop()
	first := hub.cmd.ProcessState
	time.Sleep(5 * time.Second)
	back.mu.Lock()
	back.began, back.heard = time.Now(), nil
	back.mu.Unlock()
	hub.serve([]string{"--import", "--listen", address})
	back.wait(&back.heard, "agents that have heard the hub again")
	peak := hub.peak()
	stop()
	all.Wait()
	hub.stop()
	for what, took := range map[string][]time.Duration{"stored": back.stored, "heard": back.heard} {
		most := 0
		perSecond := map[int]int{}
		for _, d := range took {
			perSecond[int(d.Seconds())]++
			most = max(most, perSecond[int(d.Seconds())])
		}
		b.ReportMetric(float64(most), what+"-most/s")
		percentiles(b, what, took)
	}
	used := hub.cmd.ProcessState
	b.ReportMetric((first.UserTime() + first.SystemTime() + used.UserTime() + used.SystemTime()).Seconds(), "hub-cpu-s")
	b.ReportMetric(peak, "hub-MiB")
	b.ReportMetric(0, "ns/op")
}

// comeback is what the agents report.
type comeback struct {
	hub  *loadTarget
	seen pace.Seen

	mu            sync.Mutex
	began         time.Time
	stored, heard []time.Duration
}

// agent returns an agent of a clinic, whose runs send its batch once.
func (x *comeback) agent(c *loadClinic, dsn string) agent.Options {
	home := filepath.Join(x.hub.dir, "keys", c.name)
	conf := fmt.Sprintf("node = %q\ndsn = %q\nprofile = \"none\"\n\n[[link]]\nurl = %q\npeer = \"hub\"\npin = %q\n", c.name, dsn, x.hub.address, x.hub.pin)
	nodetest.Check(x.hub.b, os.WriteFile(filepath.Join(home, config.Name), []byte(conf), 0o600))
	sent := false
	return agent.Options{Home: home, Say: func(string, ...any) {},
		Warn: func(format string, args ...any) {
			if strings.HasSuffix(fmt.Sprintf(format, args...), ": it answers again") {
				x.note(&x.heard)
			}
		},
		Run: func(ctx context.Context, _ []config.Link) agent.Done {
			if sent {
				return agent.Done{OK: true, Seen: x.seen}
			}
			o, err := client.New(client.Options{URL: x.hub.address, Pin: x.hub.pin, Self: c.name, Peer: "hub", Sign: c.id.Sign})
			if err == nil {
				defer o.Close()
				err = o.Put(ctx, c.file, bytes.NewReader(c.data), int64(len(c.data)), nil)
			}
			if err != nil {
				return agent.Done{Failed: []string{x.hub.address}}
			}
			sent = true
			x.note(&x.stored)
			return agent.Done{OK: true, Seen: x.seen}
		}}
}

func (x *comeback) note(to *[]time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	*to = append(*to, time.Since(x.began))
}

// wait waits until all have reported.
func (x *comeback) wait(of *[]time.Duration, what string) {
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		x.mu.Lock()
		n := len(*of)
		x.mu.Unlock()
		if n >= comingBack {
			return
		}
		if time.Since(began) > 4*time.Minute {
			x.hub.b.Fatalf("%d of %d %s; the hub's log:\n%s", n, comingBack, what, x.hub.tail())
		}
	}
}
