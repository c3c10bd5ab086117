package batch

import (
	"fmt"
	"strconv"
	"strings"
)

// mendsPrefix is what a text of Header.Requests begins with that names an epoch of the sender in which it claimed rows.
const mendsPrefix = "mends:"

// MaxMends is how many such epochs a header names. Texts beyond are passed over.
const MaxMends = 256

// Mends returns a text for Header.Requests: that in an epoch the sender claimed rows that were not the same at both ends, though their
// versions were.
func Mends(epoch uint64) string { return fmt.Sprintf("%s%d", mendsPrefix, epoch) }

// Mends returns the sender's epochs in which it claimed rows, at most MaxMends.
func (h *Header) Mends() (out []uint64) {
	for _, s := range h.Requests {
		text, ok := strings.CutPrefix(s, mendsPrefix)
		if !ok || isTableRequest(s) || len(out) == MaxMends {
			continue
		}
		if n, err := strconv.ParseUint(text, 10, 64); err == nil && n > 0 {
			out = append(out, n)
		}
	}
	return out
}
