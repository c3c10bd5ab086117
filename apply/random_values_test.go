package apply_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/omsync/omsync/schema"
)

// nullText is how a NULL reads in a row.
const nullText = "NULL"

// maker makes values that a column takes. Nearly all are unique, so that it can be told what became of each.
type maker struct {
	rng    *rand.Rand
	next   int
	unique map[string]bool             // what is unique and no text: "table.column=value"
	common func(c *schema.Column) bool // whether a text is one of a few; nil: none is
}

// tokenForm marks a text as one that was made here.
var tokenForm = regexp.MustCompile(`q[0-9a-z]+q`)

func (v *maker) count() int {
	v.next++
	return v.next
}

func (v *maker) token() string { return "q" + fmt.Sprintf("%x", v.count()) + "q" }

func (v *maker) chance(percent int) bool { return v.rng.IntN(100) < percent }

// uuid is random, sometimes in upper case or of a form that no RFC knows.
func (v *maker) uuid() string {
	u := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", v.rng.Uint32(), v.rng.IntN(1<<16), v.rng.IntN(1<<12), v.rng.IntN(1<<12), v.rng.Int64N(1<<48))
	switch {
	case v.chance(5):
		return strings.ToUpper(u)
	case v.chance(5):
		return fmt.Sprintf("%d%s", 1000+v.count(), strings.Repeat("A", 32))
	}
	return u
}

// garnish is what text in the field holds and programs stumble over.
var garnish = []string{"", "", "", " ", "'", `\`, "é", "漢字", "\n", "\r\n", "%_", "\x1f", "\x1e", `"`, "\t", "\x00", "--", ";", "Z"}

// plain is a value of a column that refers to nothing.
func (v *maker) plain(c *schema.Column) string {
	if c.Nullable && v.chance(12) {
		return nullText
	}
	n := v.count()
	s := ""
	switch c.Type {
	case "tinyint":
		if v.chance(90) {
			return fmt.Sprint(v.rng.IntN(2))
		}
		return fmt.Sprint(v.rng.IntN(128))
	case "smallint":
		return fmt.Sprint(v.rng.IntN(1 << 15))
	case "mediumint", "int", "bigint":
		s = fmt.Sprint(10000 + n)
	case "float", "double":
		s = fmt.Sprintf("%d.25", n)
	case "decimal":
		s = fmt.Sprint(n)
	case "date":
		s = time.Date(1900, 1, 1+n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	case "datetime":
		if v.chance(3) {
			return "0000-00-00 00:00:00"
		}
		s = time.Date(1980, 1, 1, 0, 0, n*61, 0, time.UTC).Format(time.DateTime)
	case "time":
		return fmt.Sprintf("%02d:%02d:%02d", v.rng.IntN(800), v.rng.IntN(60), v.rng.IntN(60))
	default:
		return v.text(c)
	}
	v.unique[c.Table.Name+"."+c.Name+"="+s] = true
	return s
}

func (v *maker) text(c *schema.Column) string {
	if v.common != nil && v.common(c) {
		return fmt.Sprintf("common-%d", v.rng.IntN(12))
	}
	limit := c.Length
	if limit == 0 || limit > 60000/3 {
		limit = 60000 / 3
	}
	s := v.token()
	if limit < 8 {
		return s[len(s)-int(min(limit, 2)):] // too short to be unique
	}
	for range v.rng.IntN(3) {
		s += garnish[v.rng.IntN(len(garnish))]
	}
	if c.Key || indexedUnique(c) {
		s = strings.TrimRight(s, " \x00") // blanks at the end make no difference to a unique index
	}
	if r := []rune(s); int64(len(r)) > limit {
		s = string(r[:limit])
	}
	if left := int(limit) - len([]rune(s)); v.chance(2) && left > 0 && !c.Key && !indexedUnique(c) {
		s += strings.Repeat("漢", left)
	}
	return s
}

// indexedUnique reports whether the column is in a unique index.
func indexedUnique(c *schema.Column) bool {
	for _, index := range append([][]*schema.Column{c.Table.PrimaryKey}, c.Table.Unique...) {
		for _, i := range index {
			if i == c {
				return true
			}
		}
	}
	return false
}
