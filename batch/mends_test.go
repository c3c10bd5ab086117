package batch

import (
	"slices"
	"testing"
)

func TestMends(t *testing.T) {
	h := &Header{Requests: []string{Mends(7), "mends:", "mends:0", "mends:x", "mends:-1", "obs#3", "mends:1#2", Mends(1 << 63)}}
	if got := h.Mends(); !slices.Equal(got, []uint64{7, 1 << 63}) {
		t.Errorf("%v", got)
	}
	for range MaxMends {
		h.Requests = append(h.Requests, Mends(9))
	}
	if got := h.Mends(); len(got) != MaxMends {
		t.Errorf("%d epochs", len(got))
	}
}
