package schema

import (
	"database/sql"
	"regexp"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
)

// dialect is how a server words information_schema.
type dialect struct {
	quotedDefaults bool // COLUMN_DEFAULT is an SQL expression: 'text' in quotes, NULL as a word (MariaDB since 10.2.7)
}

func dialectOf(version string) dialect {
	v := sqldb.ParseVersion(version)
	return dialect{quotedDefaults: v.MariaDB && v.AtLeast(10, 2, 7)}
}

var (
	displayWidth = regexp.MustCompile(`^(tinyint|smallint|mediumint|int|bigint|year)\(\d+\)`)
	now          = regexp.MustCompile(`(?i)^(?:current_timestamp|now|localtime|localtimestamp)(?:\((\d*)\))?$`)
	number       = regexp.MustCompile(`^[-+]?\d*\.?\d*(?:e[-+]?\d+)?$`)
)

// normalise fills in what servers word differently.
func (d dialect) normalise(c *Column, def sql.NullString, extra string) {
	c.Type = strings.ToLower(c.Type)
	c.FullType = strings.TrimSuffix(displayWidth.ReplaceAllString(c.FullType, "$1"), " /* mariadb-5.3 */")
	c.Unsigned = numeric(c.Type) && strings.Contains(c.FullType, " unsigned")

	extra = strings.ToUpper(extra)
	generatedDefault := strings.Contains(extra, "DEFAULT_GENERATED")
	rest := strings.ReplaceAll(extra, "DEFAULT_GENERATED", "")
	c.Generated = strings.Contains(rest, "GENERATED") || strings.Contains(rest, "PERSISTENT")
	c.AutoIncrement = strings.Contains(rest, "AUTO_INCREMENT")
	c.AutoUpdate = strings.Contains(rest, "ON UPDATE")
	c.invisible = strings.Contains(rest, "INVISIBLE")
	if c.Generated || !def.Valid || d.quotedDefaults && strings.EqualFold(def.String, "NULL") {
		return
	}
	value, expr := def.String, generatedDefault
	if d.quotedDefaults {
		if text, ok := unquote(value); ok {
			value = text
		} else {
			expr = !number.MatchString(value) && !strings.HasPrefix(value, "b'") && !strings.HasPrefix(value, "x'")
		}
	}
	if c.Type == "timestamp" || c.Type == "datetime" {
		if m := now.FindStringSubmatch(value); m != nil {
			value, expr = "CURRENT_TIMESTAMP", true
			if m[1] != "" && m[1] != "0" {
				value += "(" + m[1] + ")"
			}
		}
	}
	c.Default, c.DefaultExpr = &value, expr
}

// unquote reads a string literal as MariaDB writes it in COLUMN_DEFAULT: quotes doubled or escaped, the usual backslashes.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return s, false
	}
	s = s[1 : len(s)-1]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
			b.WriteByte('\'')
		case s[i] == '\'':
			return "", false // two literals in an expression
		case s[i] == '\\' && i+1 < len(s):
			i++
			if e := strings.IndexByte("0nrZ", s[i]); e >= 0 {
				b.WriteByte("\x00\n\r\x1a"[e])
			} else {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), true
}

// modernCharset calls utf8 and its collations utf8mb3, as servers since MySQL 8.0.28 and MariaDB 10.6 do.
func modernCharset(name string) string {
	if name == "utf8" || strings.HasPrefix(name, "utf8_") {
		return "utf8mb3" + name[len("utf8"):]
	}
	return name
}

// action returns an ON DELETE or ON UPDATE rule by one name: in InnoDB NO ACTION is RESTRICT.
func action(rule string) string {
	if rule == "NO ACTION" {
		return "RESTRICT"
	}
	return rule
}

func isInteger(typ string) bool {
	switch typ {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return true
	}
	return false
}

func numeric(typ string) bool {
	switch typ {
	case "decimal", "float", "double":
		return true
	}
	return isInteger(typ)
}

// isText reports whether values are character strings that SQL compares by a collation.
func isText(typ string) bool {
	switch typ {
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		return true
	}
	return false
}

// IsInteger reports whether the column's values are integers.
func (c *Column) IsInteger() bool { return isInteger(c.Type) }
