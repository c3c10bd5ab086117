package headers_test

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/headers"
)

// What a program says in a header is what the peer hears; what the peer reads comes with the version that it needs.
func TestRequests(t *testing.T) {
	known := features.Known{{Name: "waiting-rows", Since: "0.9.0"}, {Name: "format-2", Since: "1.10.0"}}
	h := &batch.Header{Requests: headers.Requests([]string{"obs#12"}, known, nil)}
	if want := []string{"obs#12", "reads:format-2", "reads:waiting-rows"}; !slices.Equal(h.Requests, want) {
		t.Errorf("to a peer that has said nothing: %q, want %q", h.Requests, want)
	}
	if got := headers.Requests([]string{"obs#12", "obs#12#column:" + strings.Repeat("x", 250), "obs#12#column:" + strings.Repeat("x", 241)}, nil, nil); len(got) != 2 || len(got[1]) != batch.MaxName {
		t.Errorf("with one that is too long: %q", got)
	}
	h.History, h.Upto.Epoch, h.Time = 7, 3, 5
	heard := headers.Heard(h)
	if want := (features.Heard{Reads: []string{"format-2", "waiting-rows"}, History: 7, Epoch: 3, Time: 5}); !reflect.DeepEqual(heard, want) {
		t.Errorf("heard %+v, want %+v", heard, want)
	}
	h.Requests = headers.Requests(nil, known[:1], known[:1].Writable(heard))
	if want := []string{"reads:waiting-rows", "needs:waiting-rows@0.9.0"}; !slices.Equal(h.Requests, want) {
		t.Errorf("to a peer that reads it: %q, want %q", h.Requests, want)
	}
	if want := []batch.Need{{Feature: "waiting-rows", Version: "0.9.0"}}; !slices.Equal(h.Needs(), want) {
		t.Errorf("needs %+v", h.Needs())
	}
}

// Where a header has no room, it asks for tables and says nothing of features: the peer then goes on in today's format.
func TestRequestsWithoutRoom(t *testing.T) {
	var tables []string
	for i := range batch.MaxTables {
		tables = append(tables, fmt.Sprintf("t%d#1", i))
	}
	known := features.Known{{Name: "a", Since: "0.9.0"}}
	if got := headers.Requests(tables, known, nil); !slices.Equal(got, tables) {
		t.Errorf("%d requests, the last %q", len(got), got[len(got)-1])
	}
	// But what the batch needs is always said: its reader must know.
	got := headers.Requests(tables, known, known.Writable(features.Heard{Reads: []string{"a"}}))
	if len(got) != batch.MaxTables || got[len(got)-1] != "needs:a@0.9.0" {
		t.Errorf("%d requests, the last %q", len(got), got[len(got)-1])
	}
}

// What this program says that it reads can stand in a header, and its peers hear all of it.
func TestPresent(t *testing.T) {
	known := features.Present()
	h := &batch.Header{Sender: "a", Receiver: "b", Last: true, Requests: headers.Requests(nil, known, known)}
	if !slices.Equal(h.Reads(), known.Names()) {
		t.Errorf("of %q peers hear %q", known.Names(), h.Reads())
	}
	for _, n := range h.Needs() {
		if n.Feature == "" || n.Version == "" {
			t.Errorf("a need is not understood: %+v", n)
		}
	}
	if _, err := batch.NewWriter(io.Discard, h, func(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil }, nil); err != nil {
		t.Error(err)
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
