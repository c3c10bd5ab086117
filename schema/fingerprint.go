package schema

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
)

// Fingerprint returns 32 hex digits that are equal for catalogues that exchange rows without loss: same replicated tables,
// keys and references, same columns with the same types. Server, display widths, order of columns, defaults, indexes and
// collations make no difference.
func (c *Catalogue) Fingerprint() string {
	h := sha256.New()
	for _, t := range c.Tables {
		if !t.Replicated {
			continue
		}
		fmt.Fprintf(h, "table %q %s\n", t.Name, t.Key)
		columns := slices.SortedFunc(slices.Values(t.Columns), func(a, b *Column) int { return cmp.Compare(a.Name, b.Name) })
		for _, col := range columns {
			fmt.Fprintf(h, "column %q %q nullable=%t key=%t withheld=%t\n", col.Name, col.FullType, col.Nullable, col.Key, col.Excluded != "")
			if col.Ref != nil && !col.Ref.Beside {
				writeTargets(h, col.Ref)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func writeTargets(w io.Writer, r *Ref) {
	if r.When == nil {
		fmt.Fprintf(w, "to %q\n", r.To.Name)
		return
	}
	names := []string{}
	for name, t := range r.When.Targets {
		names = append(names, fmt.Sprintf("when %q to %q\n", name, t.Name))
	}
	for _, p := range r.When.Patterns {
		to := ""
		if p.To != nil {
			to = p.To.Name
		}
		names = append(names, fmt.Sprintf("when like %q to %q\n", p.Value, to))
	}
	slices.Sort(names)
	for _, n := range names {
		io.WriteString(w, n)
	}
}
