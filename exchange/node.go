package exchange

import (
	"context"
	"errors"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// ErrUntrusted means that a file's sender is nobody this node listens to, or not who it says.
var ErrUntrusted = errors.New("untrusted")

// Node is this node, with its database open.
type Node struct {
	Home       string // the home folder
	Name       string
	Journal    *journal.Journal
	Keys       *keys.Identity
	Policies   func(*journal.Table) merge.Policies // what decides conflicts; nil: the later stamp
	Reindex    bool                                // the application is to index anew what imports change: see apply.Options
	MaxFile    int64                               // the largest file that is fetched, in bytes; 0: any
	Accept     string                              // the child whose files that wait for a person for what they delete go through now; "": none's
	Horizon    time.Duration                       // how much later than the clock stamps of a child may be: see apply.Options
	Keep       time.Duration                       // how long rows that an import deletes are kept whole: see apply.Options
	Quotas     access.Amounts                      // what each child may use in its life: see apply.Options
	Strict     bool                                // all or nothing: a row that cannot be applied has its file refused, and does not wait
	ScopeRules map[string]scope.Rule               // the rules that may fill scopes of children, by name
	Wait       time.Duration                       // how long to wait for other runs that hold the database's gate
	Features   features.Known                      // what this program reads and writes beyond batch format 1
	AtOnce     int                                 // how many files, of other children each, are imported at the same time, where no bar shows; 0, 1: one
	// Sections are what exports to several children made once; nil: each file is made by itself.
	Sections *export.Sections
	// Health says what parents are told of this node; nil: nothing.
	Health func(context.Context) (*batch.Health, error)
	// Compared hears what came of a digest that a run carried here; nil: nobody does.
	Compared func(context.Context, *journal.Peer, *DigestFile, *export.Compared) error
	// Progress begins to show the work on one file to whoever looks on; nil: nobody does.
	Progress func(label string, unit Unit) Bar
}

// Unit is what a Bar counts.
type Unit string

const (
	Rows  Unit = "rows"
	Bytes Unit = "bytes"
)

// Bar shows how far a piece of work is. A total of 0 is not known.
type Bar interface {
	Show(done, total int64)
	Done()
}

type noBar struct{}

func (noBar) Show(int64, int64) {}
func (noBar) Done()             {}

func (n *Node) bar(label string, unit Unit) Bar {
	if n.Progress == nil {
		return noBar{}
	}
	return n.Progress(label, unit)
}
