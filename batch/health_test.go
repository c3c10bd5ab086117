package batch

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What a header says of its sender is read; what is no such text is passed over, and so is what is too much.
func TestHealth(t *testing.T) {
	h := &Header{Requests: []string{"health:waiting@12", "obs#7", "health:waiting@13", "health:conflicts@-1", "health:free@1125899906842625", "health:free@x", "health:version@1.2\x1b[31m",
		"health:version@" + strings.Repeat("9", 41), "health:openmrs@2.6.x", "health:backup@0", "health:backup@9223372036854775807", "health:zone@841", "health:zone@-9223372036854775808", "health:", "health:@", "health:age@7",
		"health:conflicts@1#4", "waits:reference@2"}}
	if got, want := h.Health(), (Health{Waiting: 12, Application: "2.6.x"}); got == nil || *got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := h.TableRequests(); len(got) != 2 {
		t.Errorf("requests for tables: %q", got)
	}
	if got := (&Header{Requests: []string{"health:age@7", "obs#7", "reads:rules"}}).Health(); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
	h.Requests = make([]string, MaxTables-1)
	if h.SayHealth(&Health{Waiting: 1}); len(h.Requests) != MaxTables {
		t.Errorf("%d texts", len(h.Requests))
	}
	if h.SayHealth(&Health{Waiting: 1}); len(h.Requests) != MaxTables {
		t.Errorf("where there is no room: %d texts", len(h.Requests))
	}
	if h.SayHealth(nil); h.Health().Waiting != 1 {
		t.Error("nothing is said where nothing is known")
	}
}

// What is said is what is read, and no text makes more of a header than it may be.
func TestHealthRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.StringMatching(`[0-9a-zA-Z._+-]{0,40}`)
		x := Health{Waiting: rapid.Uint64Max(maxHealthCount).Draw(t, "waiting"), Conflicts: rapid.Uint64Max(maxHealthCount).Draw(t, "conflicts"), Free: rapid.Uint64Max(maxHealthCount).Draw(t, "free"),
			Backup: rapid.Int64Range(0, MaxTime/1_000_000).Draw(t, "backup"), Zone: rapid.Int64Range(-maxZone, maxZone).Draw(t, "zone"), Version: version.Draw(t, "version"), Application: version.Draw(t, "application")}
		h := &Header{Sender: "kisumu", Receiver: "hub", Last: true}
		h.SayHealth(&x)
		b, err := h.marshal()
		if err != nil {
			t.Fatal(err)
		}
		if h, err = unmarshalHeader(b); err != nil || x != (Health{}) && (h.Health() == nil || *h.Health() != x) {
			t.Fatalf("%+v, %v, want %+v", h.Health(), err, x)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SampledFrom([]string{"waiting", "conflicts", "free", "version", "openmrs", "backup", "zone", ""}).Draw(t, "key")
		got := (&Header{Requests: []string{fmt.Sprintf("health:%s@%s", key, rapid.String().Draw(t, "value"))}}).Health()
		if got == nil {
			return
		}
		if max(got.Waiting, got.Conflicts, got.Free) > maxHealthCount || len(got.Version)+len(got.Application) > maxHealthVersion || got.Backup < 0 || max(got.Zone, -got.Zone) > maxZone {
			t.Fatalf("%+v", got)
		}
	})
}
