package web

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// Limits of a search.
const (
	MaxSearch   = 4 << 10 // bytes of the request
	MaxName     = 200     // bytes of a name
	MaxPatients = 10      // in an answer
)

// Search is what a node looks for at the hub: patients of other sites.
type Search struct {
	Given  string `json:"given"`
	Family string `json:"family"`
	Born   string `json:"born"` // day of birth, as in 1985-11-28
}

// Check returns an error for what cannot be meant.
func (s Search) Check() error {
	for _, name := range []string{s.Given, s.Family} {
		if name == "" || len(name) > MaxName || !utf8.ValidString(name) {
			return fmt.Errorf("a name has %d bytes, not 1 to %d of UTF-8", len(name), MaxName)
		}
	}
	if _, err := time.Parse(time.DateOnly, s.Born); err != nil {
		return fmt.Errorf("born: write a day like 1985-11-28")
	}
	return nil
}

// Patient is what a search tells of one: as little as tells people apart.
type Patient struct {
	Key        string `json:"key"`                  // what the node asks for the patient by
	Identifier string `json:"identifier,omitempty"` // the preferred one
	Given      string `json:"given"`
	Family     string `json:"family"` // its first letter
	Born       int    `json:"born"`   // the year
	Sex        string `json:"sex,omitempty"`
	Clinic     string `json:"clinic,omitempty"` // where the identifier is from
}
