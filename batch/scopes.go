package batch

import (
	"errors"
	"fmt"
	"slices"
)

// Limits of what a file says of owners.
const (
	MaxOwner      = 700      // bytes of the key of an owner
	MaxOwners     = 1 << 20  // owners that a [ScopeItem] names, in all lists together
	MaxOwnerBytes = 64 << 20 // of their keys together
	MaxWants      = 4096     // owners that it asks for
	MaxRowOwners  = 64       // owners of one row
)

// Scopes is the feature of files that may have a [ScopeItem], and say whose deleted rows and conflict records are.
const Scopes = "scopes"

// PublicColumn is the name of a column that says which rows all may have, whosever they are: 1 in those, NULL in others. It has neither
// references nor a version. A reader that does not know it leaves it out.
const PublicColumn = "#public"

// HasScopes reports whether the batch may use [Scopes].
func (h *Header) HasScopes() bool {
	return slices.ContainsFunc(h.Needs(), func(n Need) bool { return n.Feature == Scopes })
}

// ScopeItem is what a header would say of whose rows go over the link, were it not clear text: it names patients. It stands before all other
// items, but for rules. Lists are of keys of the table of owners.
type ScopeItem struct {
	Said    bool     // the sender, a parent, says what follows; false: it says nothing of the receiver's scope here
	Whole   bool     // the receiver has no scope: it gets everything
	Entered []string // who is in it
	Left    []string // who left
	Denied  []string // whom the receiver asked for in vain
	Purge   []string // of those who left: of whom it is to delete what it has
	Wants   []string // whom the sender, a child, asks for

	Seeks   []string    // whom it asks for by identifiers, with [Identifiers]
	Replies []ReplyItem // what the sender, a parent, answers the receiver, with [Identifiers]
}

func (i *ScopeItem) lists() [5][]string {
	return [5][]string{i.Entered, i.Left, i.Denied, i.Purge, i.Wants}
}

func (i *ScopeItem) check() error {
	n, bytes := 0, 0
	for _, list := range i.lists() {
		n += len(list)
		for _, o := range list {
			if err := checkOwner(o); err != nil {
				return err
			}
			bytes += len(o)
		}
	}
	switch {
	case n > MaxOwners:
		return fmt.Errorf("it names more than %d owners", MaxOwners)
	case bytes > MaxOwnerBytes:
		return fmt.Errorf("the keys of the owners that it names have more than %d bytes", MaxOwnerBytes)
	case len(i.Wants) > MaxWants:
		return fmt.Errorf("it asks for more than %d owners", MaxWants)
	case !i.Said && (i.Whole || len(i.Entered)+len(i.Left)+len(i.Denied)+len(i.Purge) > 0):
		return errors.New("it says who is in a scope, and that it says nothing")
	}
	return nil
}

func checkOwner(o string) error {
	if o == "" || len(o) > MaxOwner {
		return fmt.Errorf("the key of an owner has %d bytes, not 1 to %d", len(o), MaxOwner)
	}
	return nil
}

// checkOwners checks the owners of n rows; nil: none is said of any.
func (s *state) checkOwners(owners [][]string, n int) error {
	switch {
	case owners == nil:
		return nil
	case !s.scopes:
		return errors.New("the header does not say that the batch may name owners")
	case len(owners) != n:
		return fmt.Errorf("owners of %d rows, not of %d", len(owners), n)
	}
	for _, of := range owners {
		if len(of) > MaxRowOwners {
			return fmt.Errorf("a row has more than %d owners", MaxRowOwners)
		}
		for _, o := range of {
			if err := checkOwner(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// Scope writes what is said of whose rows go over the link, before anything but rules.
func (w *Writer) Scope(i *ScopeItem) error {
	switch {
	case w.err != nil:
		return w.err
	case !w.scopes:
		return errors.New("the header does not say that the batch may speak of scopes")
	case w.scopeSaid || w.items != w.ruleItems:
		return errors.New("what is said of scopes stands once, before all other items but rules")
	}
	if err := errors.Join(i.check(), w.checkSeeks(i)); err != nil {
		return fmt.Errorf("what is said of scopes: %w", err)
	}
	w.scopeSaid = true
	p := &w.pack
	p.list(w.scopeSize(), itemScope, oneIf(i.Said), oneIf(i.Whole))
	for _, list := range i.lists() {
		p.array(len(list))
		for _, o := range list {
			p.text(o)
			if len(p.b) > outBuffer {
				p.flush()
			}
		}
	}
	if w.identifiers {
		p.seeks(i)
	}
	return w.done()
}

// scopeSize is how many elements a [ScopeItem] has.
func (s *state) scopeSize() int {
	if s.identifiers {
		return 10
	}
	return 8
}

func oneIf(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (r *Reader) readScope() *ScopeItem {
	switch {
	case !r.scopes:
		r.fail("scopes in a batch that does not say that it speaks of them")
	case r.scopeSaid || r.items != r.ruleItems:
		r.fail("what is said of scopes comes twice, or after other items")
	}
	if r.in.err != nil {
		return nil
	}
	r.scopeSaid = true
	i := &ScopeItem{Said: r.uint("flag", 1) == 1, Whole: r.uint("flag", 1) == 1}
	left, bytes := MaxOwners, 0
	for _, list := range []*[]string{&i.Entered, &i.Left, &i.Denied, &i.Purge, &i.Wants} {
		n := r.array("owners", 0, left)
		left -= n
		for range n {
			o := r.text("owner", MaxOwner)
			r.spend(len(o) + cellCost)
			if bytes += len(o); bytes > MaxOwnerBytes {
				r.fail("the keys of the owners that it names have more than %d bytes", MaxOwnerBytes)
			}
			if r.in.err != nil {
				return nil
			}
			*list = append(*list, o)
		}
	}
	if r.identifiers {
		r.readSeeks(i)
	}
	if r.in.err == nil {
		r.accept(errors.Join(i.check(), r.checkSeeks(i)))
	}
	if r.in.err != nil {
		return nil
	}
	return i
}

// owners writes whose rows of a block are, or were: how many owners each has, and these.
func (p *packer) owners(owners [][]string) {
	if owners == nil {
		p.null()
		return
	}
	var counts []int
	var all []string
	for _, of := range owners {
		counts, all = append(counts, len(of)), append(all, of...)
	}
	p.array(2)
	p.series(widen(&p.words, counts))
	p.strings(all)
}

// owners reads what packer.owners wrote of n rows.
func (r *Reader) owners(n int) [][]string {
	if r.in.err != nil || r.null() {
		return nil
	}
	r.array("owners", 2, 2)
	counts := narrow[int](&r.in, "owners of a row", r.series("owners of rows", n), MaxRowOwners)
	total := 0
	for _, c := range counts {
		total += c
	}
	if r.in.err != nil {
		return nil
	}
	r.spend(cellCost * (n + total))
	all := r.strings("owner", total, MaxOwner)
	if r.in.err != nil {
		return nil
	}
	out := make([][]string, n)
	for i, c := range counts {
		out[i], all = all[:c:c], all[c:]
	}
	return out
}

// more returns how many elements more an item has in a batch that may name owners.
func (s *state) more() int {
	if s.scopes {
		return 1
	}
	return 0
}
