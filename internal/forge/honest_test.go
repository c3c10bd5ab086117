package forge_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"testing"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
)

// What an honest node writes is far from every bound: a full load of a clinic. OMSYNC_BENCH_PATIENTS is its size.
func TestHonestLoadIsFarFromTheBounds(t *testing.T) {
	patients := 300
	if s := os.Getenv("OMSYNC_BENCH_PATIENTS"); s != "" {
		var err error
		if patients, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	hub, clinic := sites.New(t, "hub", "openmrs", openmrs.Schema("2.6")...), sites.New(t, "clinic", "openmrs", openmrs.Schema("2.6")...)
	if _, err := openmrs.Load(context.Background(), hub.DB, openmrs.Options{Seed: 1, Site: "hub", Patients: patients, Obs: 30 * patients, Metadata: true}); err != nil {
		t.Fatal(err)
	}
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	for _, f := range hub.Export(clinic) {
		accept := func(*batch.Header, []byte, []byte) error { return nil }
		r, err := batch.Open(bytes.NewReader(f.Data), int64(len(f.Data)), accept, func(r io.Reader) (io.Reader, error) { return r, nil })
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		t.Logf("%d bytes of file", len(f.Data))
		for _, u := range r.Used() {
			t.Logf("%11d of %11d %s", u.N, u.Limit, u.What)
			if u.N > u.Limit/3 && u.What != "keys in the dictionary" { // of which a writer holds 400,000
				t.Errorf("%d %s: more than a third of what may be, %d", u.N, u.What, u.Limit)
			}
		}
	}
}
