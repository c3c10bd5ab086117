package apply_test

import (
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/sites"
)

// A batch whose rows are refused is not applied, and its header is read all the same. Here it says that a load never came,
// without which the two would refuse each other's batches for ever.
func TestRefusedRowsHealByThemselves(t *testing.T) {
	hub, clinic := sites.New(t, "hub", "none", wards...), sites.New(t, "clinic", "none", wards...)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('maternity', 'w-1')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	hub.Send(clinic)
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('surgery', 'w-2')")
	clinic.Export(hub) // a load that is lost
	clinic.Exec("DELETE FROM ward WHERE uuid = 'w-1'")
	hub.Exec("INSERT INTO bed (ward_id, uuid) VALUES (1, 'b-1')")
	clinic.Seal()
	if r := hub.Import(clinic.Export(hub)[0]); r.Outcome != apply.Gap {
		t.Fatalf("outcome %s: the case is not the one to be tested", r.Outcome)
	}
	f := hub.Export(clinic)[0] // asks for the load, and brings a bed in the ward that the clinic deleted
	if _, err := clinic.ImportErr(f); err == nil || !strings.Contains(err.Error(), "neither here nor in the batch") {
		t.Fatalf("error %v: the case is not the one to be tested", err)
	}
	for range 4 {
		for _, f := range clinic.Export(hub) {
			hub.Import(f)
		}
		for _, f := range hub.Export(clinic) {
			clinic.Import(f)
		}
	}
	sites.Quiet(t, hub, clinic)
	sites.Same(t, hub, clinic)
	if n := clinic.One("SELECT COUNT(*) FROM bed JOIN ward USING (ward_id) WHERE ward.uuid = 'w-1'"); n != "1" {
		t.Errorf("%s beds in the ward that came back, want 1", n)
	}
}
