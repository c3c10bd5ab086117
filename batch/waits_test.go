package batch

import (
	"slices"
	"testing"
)

// What a header says of rows that wait is read; what is no such text is passed over, and so is what is too much.
func TestWaits(t *testing.T) {
	h := &Header{Requests: []string{"waits:reference@12", "obs#7", "waits:reference@13", "waits:@1", "waits:value@0", "waits:value@-1", "waits:value@x", "waits:Value@1",
		"waits:v\x1b[31m@1", "waits:abcdefghijklmnopq@1", "waits:dropped@1#4", "waits:value@99999999999999999999", "reads:a", Waits{"unique", 1 << 40}.String()}}
	if got, want := h.Waits(), []Waits{{"reference", 12}, {"unique", 1 << 40}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := h.TableRequests(); !slices.Equal(got, []string{"obs#7", "waits:dropped@1#4"}) {
		t.Errorf("requests for tables: %q", got)
	}
	h.Requests = nil
	for i := range 100 {
		h.Requests = append(h.Requests, Waits{string(rune('a'+i%26)) + string(rune('a'+i/26)), 1}.String())
	}
	if got := len(h.Waits()); got != MaxWaits {
		t.Errorf("%d reasons are read", got)
	}
}
