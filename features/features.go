// Package features decides what may be written to a peer that runs another version of omsync.
//
// A feature is whatever a file may hold, or a format that it may have, beyond batch format 1 as it was first released; that much every
// omsync reads. The header of each batch names the features that its sender reads, and a node writes to a peer the features that both
// know: none until the peer has said what it reads. The package is pure: names of features come in, and names go out.
//
// It promises: what may be written is always what the writer knows, and what the newest header heard from the peer named. A header that
// comes late can take features away, and never brings back one that a later header no longer named. So nothing is written that its reader
// does not know, with one exception that no rule can close: a peer that was given an older program, or whose older backup of this node's
// own state was restored, is written to as before until its next header comes. An omsync that knows of features at all refuses and keeps
// such a file, and its next export to the peer has a header, which says what it reads now, even if there is nothing else to send. Then
// what the file held is exported again without them.
package features

import "slices"

// Feature is one that the program reads.
type Feature struct {
	Name  string // lower-case letters, digits and hyphens
	Since string // the first version of omsync that reads it, such as 0.4.0
}

// Known is the features that a program reads.
type Known []Feature

// Features of batches.
const (
	// ManyColumns is of a file that has a version of its own for each column of a table with more than 62.
	ManyColumns = "many-columns"
	// Resolutions is what people decided about conflicts: conflict records with a note that says so.
	Resolutions = "resolutions"
	// Rules is of a file that tells a child how tables may go: see batch.Rules.
	Rules = "rules"
	// Scopes is of a file that speaks of scopes: whose rows go over a link, see batch.ScopeItem.
	Scopes = "scopes"
	// Digests is of a digest of rows that goes like a batch: see batch.DigestItem.
	Digests = "digest"
	// Identifiers is of a file in which patients are asked for by what people call them: see batch.ReplyItem.
	Identifiers = "identifiers"
	// Sections is of a file that has sections, which are made once for several files: see batch.SectionItem.
	Sections = "sections"
	// ZstdDictionary is of a file that is compressed with a dictionary which both programs have: see batch.ZstdDictionary.
	ZstdDictionary = "zstd-dictionary"
	// ShortKeys is of a file that names rows which its receiver has by the beginning of their keys: see batch.ShortKeysItem.
	ShortKeys = "short-keys"
)

// Present returns what this program reads beyond batch format 1.
func Present() Known {
	return Known{{Name: ManyColumns, Since: "0.1.0"}, {Name: Resolutions, Since: "0.1.0"}, {Name: Rules, Since: "0.1.0"}, {Name: Scopes, Since: "0.1.0"},
		{Name: Identifiers, Since: "0.1.0"}, {Name: Digests, Since: "0.1.0"}, {Name: ZstdDictionary, Since: "0.1.0"},
		{Name: Sections, Since: "0.1.0"}, {Name: ShortKeys, Since: "0.1.0"}}
}

// Needed returns what of the features a node has a use for. Those that it has none for it need not speak of. wide: it has a table of more
// than 62 columns. scopes: scopes are spoken of. A digest is a file by itself, and no batch has a use for it.
func (k Known) Needed(wide, scopes bool) Known {
	return slices.DeleteFunc(slices.Clone(k), func(f Feature) bool {
		return f.Name == Digests || f.Name == ManyColumns && !wide || (f.Name == Scopes || f.Name == Identifiers) && !scopes
	})
}

// Without returns the features but for those of some names.
func (k Known) Without(names ...string) Known {
	return slices.DeleteFunc(slices.Clone(k), func(f Feature) bool { return slices.Contains(names, f.Name) })
}

// Has reports whether a feature is among them.
func (k Known) Has(name string) bool {
	return slices.ContainsFunc(k, func(f Feature) bool { return f.Name == name })
}

// Names returns the names of the features, sorted.
func (k Known) Names() []string {
	var out []string
	for _, f := range k {
		out = append(out, f.Name)
	}
	slices.Sort(out)
	return out
}

// Heard is what a peer has said that it reads. The zero Heard is that of a peer that has said nothing.
type Heard struct {
	Reads []string // names of features, sorted
	// The header that said so: the sender's history and epoch, and when it was made, in microseconds since 1970 UTC.
	History, Epoch uint64
	Time           int64
}

// Hear returns what is known of a peer's program after one more of its headers. retired: the header is of a history that the peer has
// left, as the rules of the link found.
func (h Heard) Hear(n Heard, retired bool) Heard {
	switch {
	case retired:
	case n.History != h.History:
		return n
	case n.Epoch > h.Epoch || n.Epoch == h.Epoch && n.Time >= h.Time:
		return n
	}
	h.Reads = both(h.Reads, n.Reads) // a header that was late: what it does not name may be gone for good
	return h
}

// Writable returns what of the features may be written to the peer.
func (k Known) Writable(h Heard) Known {
	var out Known
	for _, f := range k {
		if slices.Contains(h.Reads, f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// MayScope reports whether a child may have a scope, as far as is known: its program reads what files say of scopes. Of one that was never heard
// from nobody knows; it is sent headers alone until it was.
func (k Known) MayScope(h Heard) bool {
	return h.History == 0 || k.Writable(h).Has(Scopes)
}

// Off returns the names of the features that may not be written to the peer, sorted.
func (k Known) Off(h Heard) []string {
	var out []string
	for _, name := range k.Names() {
		if !slices.Contains(h.Reads, name) {
			out = append(out, name)
		}
	}
	return out
}

// both returns what is in both of two sorted lists.
func both(a, b []string) []string {
	var out []string
	for _, s := range a {
		if slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}
