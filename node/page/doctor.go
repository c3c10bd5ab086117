package page

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// finding is what a check of omsync doctor found, in English.
type finding struct {
	Check string `json:"check"`
	Level string `json:"level"` // ok, warn or fail
	What  string `json:"what"`
	Do    string `json:"do"`
}

// checked is what the last checks from here found.
type checked struct {
	mu       sync.Mutex
	at       time.Time
	findings []finding
}

// doctorData is what the view of checks shows. Findings name people who log in: it is no view for everybody.
type doctorData struct {
	At       time.Time // zero: nobody looked yet
	Findings []finding // what is wrong first
}

func (p *Page) doctor(a *asked) error {
	p.checked.mu.Lock()
	d := doctorData{p.checked.at, p.checked.findings}
	p.checked.mu.Unlock()
	return a.show(http.StatusOK, "doctor", "Is anything wrong here?", d)
}

// check has omsync doctor look.
func (p *Page) check(a *asked) error {
	printed, err := a.do(Doing{}, "doctor", "--json")
	var told notDone
	if err != nil && !errors.As(err, &told) {
		return err
	}
	var found struct {
		Findings []finding `json:"findings"`
	}
	if object(printed, &found) != nil { // with a check that failed the command has an error, too
		a.tell(printed, true)
		a.back("doctor")
		return nil
	}
	var sorted []finding
	for _, level := range []string{"fail", "warn", "ok"} {
		for _, f := range found.Findings {
			if f.Level == level {
				sorted = append(sorted, f)
			}
		}
	}
	p.checked.mu.Lock()
	p.checked.at, p.checked.findings = time.Now(), sorted
	p.checked.mu.Unlock()
	a.back("doctor")
	return nil
}

// object reads the object that a command printed on a line, among what else it printed.
func object(printed string, into any) error {
	for line := range strings.Lines(printed) {
		if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), into) == nil {
			return nil
		}
	}
	return errors.New("the command printed no object")
}
