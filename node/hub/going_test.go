package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/node/status"
	"github.com/omsync/omsync/progress"
)

// Prometheus is shown how it is going with each peer, and what a child says of itself, whatever it says.
func TestGoing(t *testing.T) {
	asked := 0
	s := &status.Status{Going: status.Going{Level: progress.Needs}, Peers: []status.Peer{
		{Name: "kisumu", Waiting: 7, Going: status.Going{Level: progress.Late}, Health: &batch.Health{Waiting: 3, Free: 1 << 40, Version: "v0.3.0", Application: "2.6.x"}},
		{Name: "migori"},
	}}
	g := &going{of: func(context.Context) (*status.Status, error) { asked++; return s, nil }}
	want := []string{"omsync_level 2", "omsync_peer_level{peer=kisumu} 1", "omsync_peer_level{peer=migori} 0", "omsync_peer_says{omsync=v0.3.0,openmrs=2.6.x,peer=kisumu} 1",
		"omsync_peer_says_disk_free_bytes{peer=kisumu} 1.099511627776e+12", "omsync_peer_says_home_backup_timestamp_seconds{peer=kisumu} 0", "omsync_peer_says_open_conflicts{peer=kisumu} 0",
		"omsync_peer_says_waiting_rows{peer=kisumu} 3", "omsync_peer_unsent_rows{peer=kisumu} 7", "omsync_peer_unsent_rows{peer=migori} 0", "omsync_status_known 1"}
	if got := shown(t, g); !slices.Equal(got, want) {
		t.Errorf("it shows\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if shown(t, g); asked != 1 {
		t.Errorf("the database was asked %d times", asked)
	}
	away := &going{of: func(context.Context) (*status.Status, error) { return nil, errors.New("connection refused") }}
	if got := shown(t, away); !slices.Equal(got, []string{"omsync_status_known 0"}) {
		t.Errorf("while the database is away: %q", got)
	}
}

// shown returns what Prometheus is shown, a line each.
func shown(t *testing.T, g *going) (out []string) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(g); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			text := f.GetName()
			if len(labels) > 0 {
				text += "{" + strings.Join(labels, ",") + "}"
			}
			out = append(out, fmt.Sprint(text, " ", m.GetGauge().GetValue()))
		}
	}
	return out
}
