package batch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// waitsPrefix is what a text of Header.Requests begins with that says how many rows wait.
const waitsPrefix = "waits:"

// MaxWaits is how many reasons a header gives for rows that wait. Texts beyond are passed over.
const MaxWaits = 8

const maxReason = 16 // bytes of a reason

// Waits says how many rows of the receiver wait at the sender of a batch, since they cannot be applied there.
type Waits struct {
	Reason string // a-z, up to 16
	Rows   uint64 // over 0
}

// String returns it as a header says it.
func (w Waits) String() string { return fmt.Sprintf("%s%s@%d", waitsPrefix, w.Reason, w.Rows) }

// Waits returns how many rows of the receiver wait at the sender: each reason once, at most MaxWaits.
func (h *Header) Waits() (out []Waits) {
	for _, s := range h.Requests {
		text, ok := strings.CutPrefix(s, waitsPrefix)
		if !ok || isTableRequest(s) || len(out) == MaxWaits {
			continue
		}
		reason, rows, _ := strings.Cut(text, "@")
		n, err := strconv.ParseUint(rows, 10, 63)
		known := slices.ContainsFunc(out, func(w Waits) bool { return w.Reason == reason })
		if err != nil || n == 0 || known || reason == "" || len(reason) > maxReason || strings.Trim(reason, "abcdefghijklmnopqrstuvwxyz") != "" {
			continue
		}
		out = append(out, Waits{reason, n})
	}
	return out
}
