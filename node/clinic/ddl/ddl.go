// Package ddl makes statements that one server prints into statements that others take. It knows no database.
package ddl

import (
	"regexp"
	"slices"
	"strings"
)

// definer is the account as whom a view, a trigger or a routine runs.
var definer = regexp.MustCompile("(?is)^(\\s*CREATE\\s+(?:OR\\s+REPLACE\\s+)?(?:ALGORITHM\\s*=\\s*\\w+\\s+)?)DEFINER\\s*=\\s*" + name + "(?:\\s*@\\s*" + name + ")?\\s+")

// name is an account's name or host, quoted in any way.
const name = "(?:`(?:[^`]|``)*`|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[\\w.%()]+)"

// WithoutDefiner takes the account out of what SHOW CREATE prints of a view, trigger or routine: whoever loads it is that account then.
func WithoutDefiner(statement string) string { return definer.ReplaceAllString(statement, "$1") }

var (
	counter = regexp.MustCompile(`(?i) AUTO_INCREMENT=\d+`)
	collate = regexp.MustCompile(`(?i)( COLLATE[ =])(\w+)`)
)

// Table makes what SHOW CREATE TABLE prints into a statement for other servers: counters begin anew, and a collation that only some
// servers have is in comments that only they run.
func Table(statement string) string {
	return outsideQuotes(statement, func(s string) string { return portable(counter.ReplaceAllString(s, "")) })
}

// View is Table for what SHOW CREATE VIEW prints.
func View(statement string) string {
	return outsideQuotes(WithoutDefiner(statement), portable)
}

// portable rewrites collations.
func portable(s string) string {
	return collate.ReplaceAllStringFunc(s, func(m string) string {
		parts := collate.FindStringSubmatch(m)
		return Collation(parts[1], parts[2])
	})
}

// Collation writes a collation after " COLLATE " or " COLLATE=". Where a server does not have it, it is the nearest that it has, or that
// of the character set. MariaDB runs /*M! and none of /*!50700 to /*!99999 (its manual, Comment Syntax).
func Collation(before, collation string) string {
	if rest, ok := strings.CutPrefix(collation, "utf8mb3_"); ok && !strings.Contains(rest, "uca1400") {
		return before + "utf8_" + rest // older servers know no other name
	}
	switch {
	case strings.Contains(collation, "_0900_"):
		near := "utf8mb4_unicode_520_ci"
		if strings.HasSuffix(collation, "_cs") || strings.HasSuffix(collation, "_bin") {
			near = "utf8mb4_bin"
		}
		return " /*!80017" + before + collation + " *//*M!50300" + before + near + " */"
	case strings.Contains(collation, "uca1400"):
		near := "utf8mb4_unicode_520_ci"
		if strings.HasPrefix(collation, "utf8mb3_") {
			near = "utf8_unicode_520_ci"
		}
		return " /*M!101001" + before + collation + " *//*!50700" + before + near + " */"
	}
	return before + collation
}

// outsideQuotes applies f to what is neither a quoted text nor a quoted name.
func outsideQuotes(s string, f func(string) string) string {
	var out strings.Builder
	for {
		i := strings.IndexAny(s, "'\"`")
		if i < 0 {
			out.WriteString(f(s))
			return out.String()
		}
		end := i + 1
		for end < len(s) && s[end] != s[i] {
			if s[end] == '\\' && s[i] != '`' {
				end++
			}
			end++
		}
		end = min(end+1, len(s))
		out.WriteString(f(s[:i]))
		out.WriteString(s[i:end])
		s = s[end:]
	}
}

// Mode returns those of the modes in a sql_mode that all servers have and that change what a routine or trigger means.
func Mode(mode string) string {
	var out []string
	for _, m := range strings.Split(strings.ToUpper(mode), ",") {
		if slices.Contains([]string{"ANSI_QUOTES", "PIPES_AS_CONCAT", "IGNORE_SPACE", "NO_BACKSLASH_ESCAPES", "NO_UNSIGNED_SUBTRACTION", "HIGH_NOT_PRECEDENCE",
			"STRICT_ALL_TABLES", "STRICT_TRANS_TABLES", "NO_AUTO_VALUE_ON_ZERO", "ONLY_FULL_GROUP_BY", "ERROR_FOR_DIVISION_BY_ZERO", "NO_ZERO_DATE",
			"NO_ZERO_IN_DATE", "ALLOW_INVALID_DATES", "NO_ENGINE_SUBSTITUTION", "REAL_AS_FLOAT"}, m) {
			out = append(out, m)
		}
	}
	return strings.Join(out, ",")
}

// Delimiter returns what a client takes for the end of a statement and the statement does not hold.
func Delimiter(statement string) string {
	d := ";;"
	for strings.Contains(statement, d) {
		d += ";"
	}
	return d
}

// Order sorts views, by name and statement, so that each stands after those that it names.
func Order(views map[string]string) []string {
	var out []string
	placed := map[string]bool{}
	var place func(name string)
	place = func(name string) {
		if placed[name] {
			return
		}
		placed[name] = true
		for _, other := range sorted(views) {
			if other != name && strings.Contains(views[name], "`"+other+"`") {
				place(other)
			}
		}
		out = append(out, name)
	}
	for _, name := range sorted(views) {
		place(name)
	}
	return out
}

func sorted(views map[string]string) []string {
	names := make([]string, 0, len(views))
	for name := range views {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
