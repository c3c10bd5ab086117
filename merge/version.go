// Package merge holds the rules by which nodes that exchange batches end with equal data: how versions are stamped, which of
// two versions stays, what counts as a conflict, which position of a node's history a batch may start from, and how a node
// notices that it or its peer was restored from a backup.
//
// It promises: stamps of a column only grow; of two versions of a column every node picks the same one; whatever a node makes
// while settling is an ordinary edit of its own, so nodes that have seen the same versions hold the same data; a value that
// loses to one whose author had not seen it is reported. It has no database, no clock and no input or output: callers bring
// versions, times and headers, and store what comes back. Nothing here is safe for concurrent use of one [Link] or [History];
// rows are values and are never changed in place.
package merge

import (
	"cmp"
	"slices"
	"strings"
)

// A Position is a place in a node's history: an epoch and the random token drawn with it. After a restore the same epoch numbers
// come again with other tokens, which is how the two are told apart. The zero Position is the beginning, common to all histories.
type Position struct{ Epoch, Token uint64 }

// A Stamp orders the versions of a column, everywhere: the later time, then the author whose name sorts later.
type Stamp struct {
	Time   int64  // microseconds since 1970 UTC; 0: from before its author became a node
	Author string // name of the node whose application made it
}

// Before reports whether a loses to b.
func (a Stamp) Before(b Stamp) bool { return a.compare(b) < 0 }

func (a Stamp) compare(b Stamp) int {
	if c := cmp.Compare(a.Time, b.Time); c != 0 {
		return c
	}
	return strings.Compare(a.Author, b.Author)
}

// A Peer is the number that this node gave to a peer, never used again for another; 0 is nobody, for what was made here.
type Peer uint32

// NoPeer is the number of no peer: what is asked of it came from elsewhere.
const NoPeer Peer = 0xffff

// A Version is a stamp and how it came to this node: in which of the node's own epochs, and from which peer.
type Version struct {
	Stamp
	Epoch uint64
	From  Peer
	Added Adder // of the version of a row's existence: see [Row.AddedBy]; of a deletion, who had added the row, if that is known
}

// An Adder says who added a row, where the version of its existence alone does not say so any more: it was stamped anew since, or the peer
// that it came from was restored. The zero Adder says that the version does.
type Adder struct {
	Stored bool
	Peer   Peer // 0: it was made here
}

// addedBy returns who added the row of whose existence v is the version.
func (v Version) addedBy() Peer {
	if v.Added.Stored {
		return v.Added.Peer
	}
	return v.From
}

// unadded returns the version without who added the row: groups of one row that differ in that alone are one.
func (v Version) unadded() Version {
	v.Added = Adder{}
	return v
}

// by returns v as the version of the existence of a row that p added.
func (v Version) by(p Peer) Version {
	v.Added = Adder{v.From != p || v.Added.Stored, p}
	if !v.Added.Stored {
		v.Added = Adder{}
	}
	return v
}

// A Sent is a version as it is sent: Epoch is the sender's, or 0 if the sender has it from the receiver.
type Sent struct {
	Stamp
	Epoch uint64
}

// A Group is the part of a row that has one version. Nearly every row has one group.
type Group struct {
	Mask
	Version
}

// A SentGroup is a group as it is sent.
type SentGroup struct {
	Mask
	Sent
}

// Normalise returns the groups with those of equal versions as one, without empty ones and in the order of their lowest bits, so that equal
// rows have equal groups. The masks must be disjoint. The argument is left as it is.
func Normalise(groups []Group) []Group {
	out := make([]Group, 0, len(groups))
	var at places[Version]
	for _, g := range groups {
		if g.Mask.IsEmpty() {
			continue
		}
		if !g.Has(Existence) {
			g.Added = Adder{}
		}
		if i := at.find(len(out), func(i int) Version { return out[i].unadded() }, g.unadded()); i >= 0 {
			out[i].Mask = out[i].Mask.Or(g.Mask)
			if g.Has(Existence) {
				out[i].Added = g.Added
			}
			continue
		}
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b Group) int { return cmp.Compare(a.lowest(), b.lowest()) })
	return out
}
