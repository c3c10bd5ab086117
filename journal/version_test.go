package journal

import (
	"math"
	"testing"
)

func TestIntegers(t *testing.T) {
	for want, got := range map[string][]byte{
		"(SELECT 7 id) d": Integers(nil, []int64{7}),
		"DELETE c FROM (SELECT 18446744073709551615 id UNION ALL SELECT 0) d":      Integers([]byte("DELETE c FROM "), []uint64{math.MaxUint64, 0}),
		"(SELECT -9223372036854775808 id UNION ALL SELECT 2 UNION ALL SELECT 2) d": Integers(nil, []int64{math.MinInt64, 2, 2}),
	} {
		if string(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
