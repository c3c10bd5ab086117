// Package doctor looks for what is wrong at a node, or will be: what others cannot take, and what the application fails on.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/preflight"
	"github.com/omsync/omsync/node/uuids"
	"github.com/omsync/omsync/schema"
)

// Level says how much a finding matters.
type Level string

const (
	OK   Level = "ok"
	Warn Level = "warn" // somebody should know
	Fail Level = "fail" // somebody has to do something
)

// Finding is what a check found.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	What  string `json:"what"`
	Do    string `json:"do,omitempty"` // what to do about it
}

// Options says how an installation is looked at.
type Options struct {
	Deep bool // all rows are looked at, however many there are
	// KeysError is why the keys cannot be used; nil: they can.
	KeysError error
	// Init: init has just said what is not exchanged, and to whom is not known yet.
	Init bool
	Now  time.Time // zero: now
}

// exam is an examination under way.
type exam struct {
	*node.Node
	Options
	sizes   map[string]int64 // rows of the tables, about
	skipped []string
}

func (x *exam) now() time.Time {
	if x.Now.IsZero() {
		return time.Now()
	}
	return x.Now
}

// check is one thing that is looked at. A finding without a level is fine.
type check struct {
	name  string
	look  func(ctx context.Context, x *exam) (Finding, error)
	later bool // init does not run it
}

// checks returns all of them, those first without which the others mean little.
func checks() []check {
	return []check{
		{"account and server", server, true},
		{"server settings", settings, false},
		{"triggers", triggers, true},
		{"triggers at work", effective, false},
		{"times without triggers", captureOff, true},
		{"changes not sealed", backlog, true},
		{"cascades", cascades, false},
		{"triggers of the application", writers, true},
		{"disk space", diskSpace, false},
		{"keys and passwords", private, false},
		{"backup of the home folder", homeBackup, true},
		{"tables", tables, true},
		{"unknown tables", unknown, true},
		{"undeclared references", likely, false},
		{"dangling references", dangling, true},
		{"rows without a key", nameless, true},
		{"weak uuids", weak, false},
		{"names to log in", names, true},
		{"values that must be different", distinct, true},
		{"clocks", clocks, false},
		{"peers", peers, true},
		{"comparisons", comparisons, true},
		{"links", links, true},
		{"what waits", waiting, true},
	}
}

// Examine runs all checks. A check that cannot be made has failed. The error is the context's.
func Examine(ctx context.Context, n *node.Node, o Options) ([]Finding, error) {
	x := &exam{Node: n, Options: o}
	var out []Finding
	for _, c := range checks() {
		if o.Init && c.later {
			continue
		}
		f, err := c.look(ctx, x)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			f = failed(err)
		}
		if f.Level == "" {
			f.Level = OK
		}
		f.Check = c.name
		out = append(out, f)
	}
	return out, nil
}

// Broken is the finding of what is needed for all checks and does not work.
func Broken(check string, err error) Finding {
	f := failed(err)
	f.Check = check
	return f
}

// failed is the finding of an error.
func failed(err error) Finding {
	f := Finding{Level: Fail, What: err.Error(), Do: "omsync init mends what is missing of omsync's own, or says what stands in the way"}
	var hinted *failure.Failure
	if errors.As(err, &hinted) && hinted.Hint != "" {
		f.Do = hinted.Hint
	}
	return f
}

// server tries what omsync needs of the server and of its account.
func server(ctx context.Context, x *exam) (Finding, error) {
	return Finding{What: "nothing lacks"}, preflight.Check(ctx, x.DB, x.Database)
}

func triggers(ctx context.Context, x *exam) (Finding, error) {
	wrong, err := x.WrongTriggers(ctx)
	if err != nil || len(wrong) == 0 {
		return Finding{What: "as they should be"}, err
	}
	return Finding{Level: Fail, What: "not as they should be, so that changes may be missed: " + strings.Join(wrong, ", "), Do: "omsync init makes them anew, and these tables are sent again"}, nil
}

func writers(ctx context.Context, x *exam) (Finding, error) {
	found, err := capture.Writers(ctx, x.DB, x.Journal.Catalogue)
	if err != nil || len(found) == 0 {
		return Finding{What: "none writes to a table that is exchanged"}, err
	}
	return Finding{Level: Warn, What: "they write to tables that are exchanged, also when omsync brings a row: " + strings.Join(found, "; "), Do: "let them do nothing where @omsync_quiet is not NULL"}, nil
}

func tables(_ context.Context, x *exam) (Finding, error) {
	bad := node.NotExchanged(x.Journal.Catalogue)
	if len(bad) == 0 {
		return Finding{What: fmt.Sprintf("%d are exchanged", len(x.Journal.Replicated()))}, nil
	}
	var lines []string
	for _, t := range bad {
		lines = append(lines, t.Name+": "+t.Why)
	}
	return Finding{Level: Warn, What: "not exchanged: " + strings.Join(lines, "; "), Do: "mend them, or name them under never in a profile file"}, nil
}

// nameless looks for rows that nothing names elsewhere, and of those that share a uuid says how to part them.
func nameless(ctx context.Context, x *exam) (Finding, error) {
	found, err := node.Nameless(ctx, x.DB, x.Journal.Catalogue)
	if err != nil {
		return Finding{}, err
	}
	var do []string
	for _, t := range x.Journal.Catalogue.Order() {
		if t.Key != schema.KeyUUID {
			continue
		}
		empty, err := uuids.CountEmpty(ctx, x.DB, t)
		if err != nil {
			return Finding{}, err
		}
		if empty > 0 {
			found = append(found, fmt.Sprintf("%s: %d with an empty uuid, which are one row elsewhere", t.Name, empty))
		}
		rows, err := rowkey.FindNameless(ctx, x.DB, t)
		if err != nil {
			return Finding{}, err
		}
		twins, err := uuids.FindTwins(ctx, x.DB, t, rows.Repeated[:min(maxShown, len(rows.Repeated))])
		if err != nil {
			return Finding{}, err
		}
		for _, w := range twins {
			do = append(do, fmt.Sprintf("%s: %s and %s have one uuid; if they are two things, this parts them, here and in each copy of this database: %s", t.Name, w.First, w.Other, w.Statement))
		}
	}
	if len(found) == 0 {
		return Finding{What: "none"}, nil
	}
	do = append(do, "omsync doctor --fix uuids gives a uuid to each row that has none")
	return Finding{Level: Warn, What: "they stay here, with what refers to them: " + strings.Join(found, "; "), Do: strings.Join(do, " ")}, nil
}
