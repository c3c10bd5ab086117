package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// The local key is how a row of a table without an integer primary key is known in this database: the parts of
// LocalColumns joined by commas. Integers, YEAR, BIT and TIMESTAMP (seconds since 1970, whatever the session's time zone)
// are decimal numbers, FLOAT and DOUBLE have 30 decimal places (two numbers that differ beyond make one key). Text, in
// utf8mb4, and byte strings are hexadecimal, so that neither a comma nor a collation can make two keys one; everything
// else is its printed form in hexadecimal. NULL is '-'. (A trigger may take an hour that local time
// has twice for the other one.)
const (
	localKeyMax  = 700 // bytes; a longer key is cut and gets the SHA-256 of the whole (MySQL 9.6 has no SHA1())
	localKeyHead = 600
)

// LocalKeySQL returns the SQL expression of a row's local key. prefix is "OLD.", "NEW." or a table alias with its dot. The
// expression does not depend on time zone, sql_mode, character set or collation of the session.
func LocalKeySQL(t *Table, prefix string) string {
	return KeySQL(t.LocalColumns, func(c *Column) string { return prefix + Quote(c.Name) })
}

// KeySQL returns the expression of a local key made of any columns; value returns the expression to read a column by, which
// must be of the column's type.
func KeySQL(columns []*Column, value func(*Column) string) string {
	var parts []string
	size := len(columns) - 1
	for _, c := range columns {
		part, n := keyPartSQL(c, value(c))
		if c.Nullable {
			part = "IF(" + value(c) + " IS NULL, '-', " + part + ")"
		}
		parts = append(parts, part)
		size += n
	}
	whole := "CONCAT_WS(',', " + strings.Join(parts, ", ") + ")"
	if size <= localKeyMax {
		return whole
	}
	return fmt.Sprintf("IF(LENGTH(%[1]s) <= %[2]d, %[1]s, CONCAT(LEFT(%[1]s, %[3]d), '#', SHA2(%[1]s, 256)))", whole, localKeyMax, localKeyHead)
}

// keyPartSQL returns a part's expression and the most bytes it can have.
func keyPartSQL(c *Column, v string) (string, int) {
	switch keyPartKind(c) {
	case keyNumber:
		if c.Unsigned {
			return "CAST(" + v + " AS UNSIGNED)", 20
		}
		return "CAST(" + v + " AS SIGNED)", 20
	case keyBit:
		return "CAST(" + v + "+0 AS UNSIGNED)", 20
	case keyFloat:
		return "CAST(" + v + "*1e0+0e0 AS DECIMAL(65,30))", 67
	case keyTime:
		return "IFNULL(UNIX_TIMESTAMP(" + v + "), 0)", 20 // NULL for zero in a trigger of MariaDB
	case keyText:
		return "HEX(CONVERT(" + v + " USING utf8mb4))", int(min(c.Length, localKeyMax)) * 8
	case keyBytes:
		n := int(min(c.Length, localKeyMax)) * 2
		if c.Length == 0 {
			n = localKeyMax + 1 // the catalogue knows no bound: a geometry, say
		}
		return "HEX(" + v + ")", n
	}
	n := 140 // decimals, dates and times
	if c.Type == "json" || c.Charset != "" {
		n = localKeyMax + 1
	}
	return "HEX(CAST(" + v + " AS CHAR CHARACTER SET utf8mb4))", n
}

// LocalKey returns the same key made from values as [Column.Select] reads them in a session whose time zone is UTC: values[i]
// belongs to t.LocalColumns[i], nil is NULL.
func LocalKey(t *Table, values [][]byte) string {
	var b []byte
	for i, c := range t.LocalColumns {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendKeyPart(b, c, values[i])
	}
	if len(b) <= localKeyMax {
		return string(b)
	}
	sum := sha256.Sum256(b)
	return string(b[:localKeyHead]) + "#" + hex.EncodeToString(sum[:])
}

func appendKeyPart(b []byte, c *Column, v []byte) []byte {
	if v == nil {
		return append(b, '-')
	}
	switch keyPartKind(c) {
	case keyNumber:
		return append(b, trimZeros(v)...)
	case keyBit:
		var n uint64
		for _, x := range v {
			n = n<<8 | uint64(x)
		}
		return strconv.AppendUint(b, n, 10)
	case keyFloat:
		return appendFloat(b, v)
	case keyTime:
		return appendUnix(b, string(v))
	}
	const digits = "0123456789ABCDEF"
	for _, x := range v {
		b = append(b, digits[x>>4], digits[x&15])
	}
	return b
}

// trimZeros takes away what ZEROFILL put before a number.
func trimZeros(v []byte) []byte {
	for len(v) > 1 && v[0] == '0' {
		v = v[1:]
	}
	return v
}

type keyKind uint8

const (
	keyOther keyKind = iota
	keyNumber
	keyBit
	keyFloat
	keyTime
	keyText
	keyBytes
)

func keyPartKind(c *Column) keyKind {
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year":
		return keyNumber
	case "float", "double":
		return keyFloat
	case "bit":
		return keyBit
	case "timestamp":
		return keyTime
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		return keyText
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector",
		"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection":
		return keyBytes
	}
	return keyOther
}

// appendUnix appends a TIMESTAMP's seconds since 1970, with the fraction as it is printed. Zero is 0.
func appendUnix(b []byte, v string) []byte {
	whole, fraction, _ := strings.Cut(v, ".")
	var seconds int64
	if at, err := time.Parse(time.DateTime, whole); err == nil {
		seconds = at.Unix()
	}
	b = strconv.AppendInt(b, seconds, 10)
	if fraction != "" {
		b = append(b, '.')
		b = append(b, fraction...)
	}
	return b
}

// appendFloat appends a number with 30 decimal places, as the server's CAST to DECIMAL(65,30) does from the number's
// shortest form. What is printed otherwise depends on the server and the driver.
func appendFloat(b, v []byte) []byte {
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil {
		return append(b, v...)
	}
	n, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	if !ok {
		return append(b, v...)
	}
	s := n.FloatString(30)
	sign := ""
	if strings.HasPrefix(s, "-") {
		s, sign = s[1:], "-"
	}
	if len(s) > 35+1+30 {
		s = strings.Repeat("9", 35) + "." + strings.Repeat("9", 30)
	}
	if strings.Trim(s, "0.") == "" {
		sign = ""
	}
	return append(append(b, sign...), s...)
}
