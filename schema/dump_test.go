package schema

import (
	"fmt"
	"slices"
	"strings"
)

// dump writes all that is decided about a catalogue as text, for golden files.
func dump(c *Catalogue, p *Profile) string {
	var b strings.Builder
	for _, t := range c.Tables {
		fmt.Fprintf(&b, "%s: %s", t.Name, t.Key)
		if t.Key != KeyNone {
			fmt.Fprintf(&b, " (%s)", names(t.KeyColumns))
		}
		if t.Root != t {
			fmt.Fprintf(&b, " of %s", t.Root.Name)
		}
		if !t.Replicated {
			fmt.Fprintf(&b, "; stays: %s", t.Why)
		} else {
			fmt.Fprintf(&b, "; %s", t.Direction)
			if t.DownByDefault {
				b.WriteString(" by default")
			}
			if t.Rights {
				b.WriteString(", rights")
			}
			if t.Code {
				b.WriteString(", code")
			}
			fmt.Fprintf(&b, ", depth %d", t.Depth)
		}
		if t.Integer == nil {
			fmt.Fprintf(&b, "; known by (%s)", names(t.LocalColumns))
		}
		if t.Key != KeyNone && !t.KeyUnique {
			b.WriteString("; key not unique")
		}
		if t.Key != KeyNone && !t.KeyIndexed {
			b.WriteString("; key not indexed")
		}
		for _, u := range t.Unique {
			if !(len(u) == 1 && u[0].UUIDColumn) {
				fmt.Fprintf(&b, "; unique (%s)", names(u))
			}
		}
		b.WriteByte('\n')
		for _, col := range t.Columns {
			dumpColumn(&b, col, p)
		}
	}
	b.WriteString("\norder:")
	for _, t := range c.Order() {
		b.WriteString("\n  " + t.Name)
		for _, col := range t.Columns {
			if col.Ref != nil && col.Excluded == "" && col.Ref.Patched() {
				b.WriteString(" -" + col.Name)
			}
		}
	}
	fmt.Fprintf(&b, "\n\nfingerprint: %s\n", c.Fingerprint())
	for _, n := range c.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

func dumpColumn(b *strings.Builder, c *Column, p *Profile) {
	fmt.Fprintf(b, "  %s %s", c.Name, c.FullType)
	if !c.Nullable {
		b.WriteString(" not null")
	}
	if c.Default != nil {
		fmt.Fprintf(b, " default %q", *c.Default)
		if c.DefaultExpr {
			b.WriteString(" (expression)")
		}
	}
	if c.AutoUpdate {
		b.WriteString(" on update")
	}
	if r := c.Ref; r != nil {
		var to []string
		for _, t := range r.Targets() {
			to = append(to, t.Name)
		}
		fmt.Fprintf(b, " -> %s", strings.Join(to, "|"))
		if r.When == nil && r.ToColumn != r.To.Integer {
			fmt.Fprintf(b, ".%s", r.ToColumn.Name)
		}
		if !r.Declared {
			b.WriteString(" undeclared")
		}
		for _, a := range []string{r.OnDelete, r.OnUpdate} {
			if a != "" && a != "RESTRICT" {
				fmt.Fprintf(b, " (%s)", a)
			}
		}
		if r.Beside {
			b.WriteString(" beside")
		}
		setting := r.When != nil && r.Beside // keeps no row
		if !setting && !slices.ContainsFunc(r.Targets()[0].Children, func(x *Ref) bool { return x == r }) {
			b.WriteString(" MISSING IN CHILDREN")
		}
	}
	if c.Excluded != "" {
		fmt.Fprintf(b, " [%s]", c.Excluded)
	}
	if c.InsertOnly {
		b.WriteString(" [insert only]")
	}
	switch p.Excluded(c.Table.Name, c.Name) {
	case ExcludeUp:
		b.WriteString(" [not up]")
	case ExcludeSecret:
		b.WriteString(" [secret]")
	}
	b.WriteByte('\n')
}

func names(columns []*Column) string {
	var n []string
	for _, c := range columns {
		n = append(n, c.Name)
	}
	return strings.Join(n, ", ")
}
