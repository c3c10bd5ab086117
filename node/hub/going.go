package hub

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/node/status"
)

// going shows Prometheus how it is going with the node and its peers, as omsync status says it.
type going struct {
	of func(context.Context) (*status.Status, error)

	mu   sync.Mutex
	last *status.Status
	at   time.Time
}

const (
	// goingFor is for how long one status is shown: somebody may ask often.
	goingFor = time.Minute
	// goingWithin is how long one may take.
	goingWithin = 30 * time.Second
)

func (s *server) going() *going {
	var watcher status.Watcher
	return &going{of: func(ctx context.Context) (*status.Status, error) {
		return watcher.Of(ctx, s.node, time.Now(), features.Present())
	}}
}

// peerValue is a number that is known of a peer, or not.
type peerValue struct {
	desc *prometheus.Desc
	of   func(status.Peer) (float64, bool)
}

func goingDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("omsync_"+name, help, labels, nil)
}

func nodeLevel() *prometheus.Desc {
	return goingDesc("level", "How the node is doing: 0 well, 1 late, 2 needs somebody.")
}

func statusKnown() *prometheus.Desc {
	return goingDesc("status_known", "1: the rest of how it is going is known; 0: it is not, for the database is away.")
}

func peerSays() *prometheus.Desc {
	return goingDesc("peer_says", "1, with the versions that a child says of itself.", "peer", "omsync", "openmrs")
}

// peerValues are what is shown of each peer. What a child says of itself nobody vouches for.
func peerValues() []peerValue {
	value := func(name, help string, of func(status.Peer) (float64, bool)) peerValue {
		return peerValue{goingDesc("peer_"+name, help, "peer"), of}
	}
	return []peerValue{
		value("level", "How the exchange with the peer is doing: 0 well, 1 late, 2 needs somebody.", func(p status.Peer) (float64, bool) { return float64(p.Level), true }),
		value("unsent_rows", "Rows that the peer has not acknowledged.", func(p status.Peer) (float64, bool) { return float64(p.Waiting), true }),
		value("heard_timestamp_seconds", "When a file of the peer last brought something new.", func(p status.Peer) (float64, bool) {
			if p.Last == nil {
				return 0, false
			}
			return float64(p.Last.Unix()), true
		}),
		said("says_waiting_rows", "Rows that wait at the child, as it says.", func(p status.Peer) float64 { return float64(p.Health.Waiting) }),
		said("says_open_conflicts", "Conflicts that are open at the child, as it says.", func(p status.Peer) float64 { return float64(p.Health.Conflicts) }),
		said("says_disk_free_bytes", "Room on the child's disk, as it says; 0: it does not know.", func(p status.Peer) float64 { return float64(p.Health.Free) }),
		said("says_home_backup_timestamp_seconds", "When the child's home folder was last backed up, as it says; 0: never, as far as it knows.", func(p status.Peer) float64 { return float64(p.Health.Backup) }),
	}
}

func said(name, help string, of func(status.Peer) float64) peerValue {
	return peerValue{goingDesc("peer_"+name, help, "peer"), func(p status.Peer) (float64, bool) {
		if p.Health == nil {
			return 0, false
		}
		return of(p), true
	}}
}

// Describe says what Collect sends.
func (g *going) Describe(ch chan<- *prometheus.Desc) {
	ch <- statusKnown()
	ch <- nodeLevel()
	ch <- peerSays()
	for _, v := range peerValues() {
		ch <- v.desc
	}
}

// Collect sends how it is going, as of a minute ago at most; or that it is not known.
func (g *going) Collect(ch chan<- prometheus.Metric) {
	s, err := g.status()
	if err != nil {
		ch <- prometheus.MustNewConstMetric(statusKnown(), prometheus.GaugeValue, 0)
		return
	}
	ch <- prometheus.MustNewConstMetric(statusKnown(), prometheus.GaugeValue, 1)
	ch <- prometheus.MustNewConstMetric(nodeLevel(), prometheus.GaugeValue, float64(s.Level))
	values := peerValues()
	for _, p := range s.Peers {
		for _, v := range values {
			if n, known := v.of(p); known {
				ch <- prometheus.MustNewConstMetric(v.desc, prometheus.GaugeValue, n, p.Name)
			}
		}
		if h := p.Health; h != nil {
			ch <- prometheus.MustNewConstMetric(peerSays(), prometheus.GaugeValue, 1, p.Name, h.Version, h.Application)
		}
	}
}

func (g *going) status() (*status.Status, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last != nil && time.Since(g.at) < goingFor {
		return g.last, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), goingWithin)
	defer cancel()
	s, err := g.of(ctx)
	if err != nil {
		return nil, err
	}
	g.last, g.at = s, time.Now()
	return s, nil
}
