package export_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
)

// pair is a hub and a clinic on OpenMRS, with integers of their own, that hold the same.
func pair(t *testing.T, patients int) (hub, clinic *sites.Site) {
	t.Helper()
	tables := openmrs.Schema("2.6")
	var own []string
	for _, q := range tables {
		own = append(own, strings.Replace(q, "ENGINE=InnoDB", "ENGINE=InnoDB AUTO_INCREMENT=20", 1))
	}
	hub, clinic = sites.New(t, "hub", "openmrs", tables...), sites.New(t, "clinic", "openmrs", own...)
	if _, err := openmrs.Load(context.Background(), hub.DB, openmrs.Options{Seed: 1, Site: "hub", Patients: patients, Metadata: true}); err != nil {
		t.Fatal(err)
	}
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	return hub, clinic
}

// found lists what a comparison found, each difference as TABLE KIND STATE KEY.
func found(c *export.Compared) (out []string) {
	for _, d := range c.Differences {
		out = append(out, fmt.Sprintf("%s %s %s %s", d.Table.Name, d.Kind, d.State, d.Key))
	}
	return out
}

// Two sites that hold the same are found to, in both directions.
func TestDigestOfEqualSites(t *testing.T) {
	hub, clinic := pair(t, 12)
	for _, ends := range [][2]*sites.Site{{hub, clinic}, {clinic, hub}} {
		f := ends[0].Digest(ends[1], export.DigestOptions{Finds: 1000})
		c := ends[1].Compare(f)
		t.Logf("%s: %d bytes, %d rows", f.Name, len(f.Data), c.Rows)
		if !c.Exact || len(c.Differences) > 0 || len(c.Left) > 0 || c.FlightThere > 0 || c.NewHere > 0 || c.Rows < 100 {
			t.Errorf("%s: exact %v, left %v, in flight %d and %d, %d rows\n%s", f.Name, c.Exact, c.Left, c.FlightThere, c.NewHere, c.Rows, strings.Join(found(c), "\n"))
		}
		for _, table := range c.Tables {
			if !table.Equal {
				t.Errorf("%+v", table)
			}
		}
	}
}
