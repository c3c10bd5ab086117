package anyschema

import (
	"fmt"
	"slices"
	"strings"
)

// ddl makes the statements for one of the sites.
func (m *model) ddl(site int) (out []string) {
	for _, x := range m.tables {
		out = append(out, x.create(site))
	}
	for _, x := range m.tables {
		out = append(out, m.triggers(x, site)...)
	}
	return out
}

func (x *table) create(site int) string {
	var parts []string
	for _, i := range x.order[site] {
		parts = append(parts, x.columns[i].declare())
	}
	if len(x.pk) > 0 {
		parts = append(parts, "PRIMARY KEY ("+list(x.pkOrder[site], func(i int) string { return quote(x.pk[i].name) })+")")
	}
	for _, u := range x.uniques {
		parts = append(parts, "UNIQUE KEY "+quote(indexName(u))+" ("+list(u, func(c *column) string { return quote(c.name) })+")")
	}
	if x.indexed {
		parts = append(parts, "KEY "+quote("n_uuid")+" ("+quote("uuid")+")")
	}
	for i, c := range x.columns {
		switch {
		case c.auto && (len(x.pk) > 1 || len(x.pk) == 0):
			parts = append(parts, "KEY "+quote(fmt.Sprintf("a_%d", i))+" ("+quote(c.name)+")")
		case c.ref != nil && c.ref.declared:
			f := fmt.Sprintf("CONSTRAINT f_%d_%d FOREIGN KEY (%s) REFERENCES %s (%s)", x.number, i, quote(c.name), quote(c.ref.to.t.names[site]), quote(c.ref.to.name))
			if c.ref.onDelete != "" {
				f += " ON DELETE " + c.ref.onDelete
			}
			if c.ref.onUpdate != "" {
				f += " ON UPDATE " + c.ref.onUpdate
			}
			parts = append(parts, f)
		}
	}
	return fmt.Sprintf("CREATE TABLE %s (%s) ENGINE=InnoDB DEFAULT CHARSET=latin1%s", quote(x.names[site]), strings.Join(parts, ", "), x.partition)
}

func (c *column) declare() string {
	d := quote(c.name) + " " + c.typ.decl
	if c.generated != "" {
		d += " GENERATED ALWAYS AS (" + c.generated + ") "
		if c.stored {
			return d + "STORED"
		}
		return d + "VIRTUAL"
	}
	if c.null {
		d += " NULL"
	} else {
		d += " NOT NULL"
	}
	switch {
	case c.def != "":
		d += " DEFAULT " + c.def
	case strings.HasPrefix(c.typ.decl, "TIMESTAMP") && !c.null: // otherwise old servers set the first one of a row at each of its updates
		d += " DEFAULT '2020-01-01 00:00:00'"
	}
	if c.update {
		d += " ON UPDATE CURRENT_TIMESTAMP"
	}
	if c.auto {
		d += " AUTO_INCREMENT"
	}
	return d
}

// triggers are the application's own.
func (m *model) triggers(x *table, site int) (out []string) {
	name := x.names[site]
	if x.trigger != "" {
		for _, event := range []string{"INSERT", "UPDATE"} {
			does := x.trigger
			if !m.newer { // MySQL 5.6 takes one of a kind, and that is omsync's: edits go past the other one, and what is sent must too
				does = "IF @omsync_quiet IS NULL THEN " + does + "; END IF"
				if event == "UPDATE" {
					continue
				}
			}
			out = append(out, fmt.Sprintf("CREATE TRIGGER app_%d_%s BEFORE %s ON %s FOR EACH ROW %s", x.number, strings.ToLower(event), event, quote(name), does))
		}
	}
	if x.audit {
		out = append(out, fmt.Sprintf("CREATE TABLE audit_%d (at_table VARCHAR(20)) ENGINE=InnoDB", x.number),
			fmt.Sprintf("CREATE TRIGGER audit_%d BEFORE INSERT ON %s FOR EACH ROW INSERT INTO audit_%[1]d VALUES ('%[3]s')", x.number, quote(name), name))
	}
	return out
}

// written are the columns that an application gives values to.
func (x *table) written() []*column {
	return slices.DeleteFunc(slices.Clone(x.columns), func(c *column) bool { return c.generated != "" })
}
