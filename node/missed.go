package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/omsync/omsync/internal/durable"
)

// Missed is a time in which the triggers of tables may have been missing.
type Missed struct {
	Tables   []string  `json:"tables"`
	From, To time.Time // the last run that made an epoch, and the run that found it
}

const (
	missedName = "missed.json"
	maxMissed  = 50
)

// MissedTimes returns when triggers were missing, the last such times only; nothing is known of a home folder that is new.
func MissedTimes(home string) (out []Missed) {
	text, err := os.ReadFile(filepath.Join(home, missedName))
	if err != nil || json.Unmarshal(text, &out) != nil {
		return nil
	}
	return out
}

// noteMissed adds such a time. It is for people: a run does not fail for it.
func (n *Node) noteMissed(m Missed) {
	all := append(MissedTimes(n.Home), m)
	text, err := json.Marshal(all[max(0, len(all)-maxMissed):])
	if err == nil {
		err = durable.Write(filepath.Join(n.Home, missedName), append(text, '\n'), 0o600)
	}
	if err != nil {
		n.Journal.Warn("it cannot be noted when the triggers of %v were missing: %v", slices.Sorted(slices.Values(m.Tables)), err)
	}
}
