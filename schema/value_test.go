package schema

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestOnlyNumbersStandBare(t *testing.T) {
	for _, c := range []struct {
		types, bare, quoted string // separated by spaces
	}{
		{"tinyint smallint mediumint int bigint year", "0 -1 42 18446744073709551615 -9223372036854775808 007",
			"1e- 1e 1e5 1- - -- 1-1 +1 .5 1. 1.5 0x10 1e1e1 1;2 1)-- 1/*"},
		{"decimal", "0 -1.50 1234567890123456789012345678901234567890123456789012345678901234.5 0.1", "1e- 1e5 1. .5 1.2.3 -.5 1.-5 1..2"},
		{"float double", "0 -0 1.5 1e10 1.7976931348623157e308 5e-324 1e+20 -2.5e-7", "1e- 1e+ 1e 1.e5 e5 1e5.5 1e--5 1e-+5 1e400 1.2.3 -e5 nan inf 1_0 0x1p5"},
	} {
		for _, typ := range strings.Fields(c.types) {
			column := &Column{Name: "c", Type: typ}
			for _, v := range strings.Fields(c.bare) {
				if got := string(column.AppendLiteral(nil, []byte(v))); got != v {
					t.Errorf("%s %s: %s, want it as it is", typ, v, got)
				}
			}
			for _, v := range append(strings.Fields(c.quoted), "", " 1", "1 ", "1\n", "1\x00", strings.Repeat("9", 400)) {
				if got := string(column.AppendLiteral(nil, []byte(v))); !strings.HasPrefix(got, "'") || !oneLiteral(got) {
					t.Errorf("%s %q: %s, want it quoted", typ, v, got)
				}
			}
		}
	}
}

// FuzzLiteral looks for a value of any type that becomes more than one literal.
func FuzzLiteral(f *testing.F) {
	types := strings.Fields("int decimal double float year bigint char varchar text blob bit enum set json date time datetime timestamp geometry other")
	for _, v := range []string{"1e-", "1", "a'b", `a\`, "'", "1e5 or 1", "\xbf'", "-", "x'00'"} {
		for i := range types {
			f.Add(uint8(i), []byte(v))
		}
	}
	f.Fuzz(func(t *testing.T, typ uint8, v []byte) {
		c := &Column{Name: "c", Type: types[int(typ)%len(types)]}
		got := string(c.AppendLiteral([]byte("("), v))
		if !strings.HasPrefix(got, "(") || !oneLiteral(got[1:]) {
			t.Errorf("%s %q became %s", c.Type, v, got)
		}
	})
}

// oneLiteral reports whether a text is one literal of SQL: NULL, a number, a string or x'...'.
func oneLiteral(s string) bool {
	if rest, ok := strings.CutPrefix(s, "x'"); ok {
		return strings.Trim(strings.TrimSuffix(rest, "'"), "0123456789abcdef") == "" && strings.HasSuffix(rest, "'")
	}
	if rest, ok := strings.CutPrefix(strings.TrimPrefix(s, "_binary"), "'"); ok {
		for i := 0; i < len(rest); {
			r, n := utf8.DecodeRuneInString(rest[i:])
			switch r {
			case '\\':
				i++
			case '\'':
				return i == len(rest)-1
			}
			i += n
		}
		return false
	}
	if s == "NULL" {
		return true
	}
	return bare.MatchString(s)
}

var bare = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?$`)

// A column keeps what it has room for, and most of what the server refuses by itself is none of its business.
func TestKeeps(t *testing.T) {
	for _, c := range []struct {
		full, charset string
		length        int64
		keeps, not    []string
	}{
		{"varchar(3)", "utf8mb4", 3, []string{"", "abc", "漢字é", "ab "}, []string{"abc ", "abc\r\n", "漢字é ", "abcd", "abc d"}},
		{"char(3)", "latin1", 3, []string{"éé ", "ééé"}, []string{"ééé ", "éééé"}},
		{"tinytext", "utf8mb3", 255, []string{strings.Repeat("é", 127) + " ", strings.Repeat("a", 256)}, []string{strings.Repeat("é", 127) + "  "}},
		{"tinytext", "latin1", 255, []string{strings.Repeat("é", 255)}, []string{strings.Repeat("é", 255) + " "}},
		{"int", "", 0, []string{"7", "-7", "7.0", "x", "1.5e3"}, []string{"7.5"}},
		{"decimal(12,2)", "", 0, []string{"1", "1.25", "1.250"}, []string{"1.255"}},
		{"decimal(12)", "", 0, []string{"1", "1.0"}, []string{"1.5"}},
		{"datetime", "", 0, []string{"2026-01-31 10:00:00", "2026-01-31 10:00:00.000"}, []string{"2026-01-31 10:00:00.5"}},
		{"datetime(3)", "", 0, []string{"2026-01-31 10:00:00.123", "2026-01-31 10:00:00.123000"}, []string{"2026-01-31 10:00:00.1234"}},
		{"time", "", 0, []string{"10:00:00"}, []string{"10:00:00.5"}},
		{"date", "", 0, []string{"2026-01-31", "2026-01-31 00:00:00"}, []string{"2026-01-31 10:00:00"}},
		{"double", "", 0, []string{"0.123456789"}, nil},
	} {
		typ, _, _ := strings.Cut(c.full, "(")
		col := &Column{Type: typ, FullType: c.full, Charset: c.charset, Length: c.length}
		for _, v := range c.keeps {
			if !col.Keeps([]byte(v)) {
				t.Errorf("%s keeps %q", c.full, v)
			}
		}
		for _, v := range c.not {
			if col.Keeps([]byte(v)) {
				t.Errorf("%s does not keep %q", c.full, v)
			}
		}
	}
}
