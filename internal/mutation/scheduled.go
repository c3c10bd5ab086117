package mutation

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Scheduled is a mutant of a package whose TestSchedules runs as many random schedules as OMSYNC_SCHEDULES says, and stops after
// OMSYNC_FAILURES of them that fail.
type Scheduled struct {
	Rule, File, Old, New string // as of [Mutant]

	Schedules int    // enough of them to notice
	Test      string // where schedules notice too rarely: the test that does
}

// counted is how many schedules are counted of.
const counted = 20000

// CheckScheduled runs each mutant by itself: a schedule, or the test that it names, must fail. With OMSYNC_MUTANTS=all it counts how many of
// 20,000 schedules do, and of what kind. env is more environment for them.
func CheckScheduled(t *testing.T, mutants []Scheduled, env ...string) {
	if testing.Short() {
		t.Skip("builds the package once for each rule")
	}
	count := os.Getenv("OMSYNC_MUTANTS") == "all"
	for _, m := range mutants {
		t.Run(m.Rule, func(t *testing.T) {
			if !count {
				t.Parallel()
			}
			out, failed := m.run(t, count, env)
			if count {
				t.Logf("%d of %d: %v", bytes.Count(out, []byte("schedule ")), counted, kinds(out))
			} else if !failed {
				t.Errorf("%d schedules and %q do not notice", m.Schedules, m.Test)
			}
		})
	}
}

func (m Scheduled) run(t *testing.T, count bool, more []string) (out []byte, failed bool) {
	name, schedules, failures := "TestSchedules", m.Schedules, 1
	switch {
	case count:
		schedules, failures = counted, counted
	case m.Test != "":
		name = m.Test
	}
	env := append([]string{fmt.Sprint("OMSYNC_SCHEDULES=", schedules), fmt.Sprint("OMSYNC_FAILURES=", failures), "OMSYNC_SEED="}, more...)
	out, failed, err := Mutant{Rule: m.Rule, File: m.File, Old: m.Old, New: m.New}.Run(t.TempDir(), "^"+name+"$", env...)
	if errors.Is(err, ErrNoGo) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, failed
}

// kinds counts the kinds of faults in the output of TestSchedules.
func kinds(out []byte) map[string]int {
	counts := map[string]int{}
	for line := range strings.Lines(string(out)) {
		if _, rest, ok := strings.Cut(line, "schedule "); ok {
			_, rest, _ = strings.Cut(rest, ": ")
			kind, _, _ := strings.Cut(rest, ":")
			counts[strings.TrimSpace(kind)]++
		}
	}
	return counts
}
