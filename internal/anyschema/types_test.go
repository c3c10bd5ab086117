package anyschema

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// typ is a type of columns. Values are SQL literals; what is read is text.
type typ struct {
	decl  string   // without NULL, DEFAULT and the like
	kind  string   // "integer", "text", "bytes", "bit", "float", "json", "year", or "other": how a value is read and written
	key   []string // values for keys; for integers made from bits
	plain []string // more values, for what is no key
	bits  int      // of integers
	fold  bool     // its collation takes small and capital letters, and é and e, for the same
	text  bool
}

var integers = func() (out []*typ) {
	for i, name := range []string{"INT", "BIGINT", "MEDIUMINT", "SMALLINT", "TINYINT"} {
		bits := []int{32, 64, 24, 16, 8}[i]
		out = append(out, &typ{decl: name, kind: "integer", bits: bits - 1}, &typ{decl: name + " UNSIGNED", kind: "integer", bits: bits})
	}
	return append(out, &typ{decl: "INT(8) UNSIGNED ZEROFILL", kind: "integer", bits: 32})
}()

func text(decl, charset, collation string) *typ {
	t := &typ{decl: decl + " CHARACTER SET " + charset + " COLLATE " + collation, kind: "text", fold: strings.HasSuffix(collation, "_ci"), text: true,
		key:   []string{"'a'", "'b'", "'c'", "'d'", "'e'", "'f'", "'aa'", "'A'", "'é'", "'x y'", "'1'", "'01'", "'%'", `'\''`, "'-'", "','", "'0'"},
		plain: []string{"''", "' '", "'a '", `'\\'`, `'\n'`, "'nul\\0'", `'"'`, "CONCAT('x', CHAR(31), 'y')", "CONCAT(CHAR(30), 'N')", "'NULL'"},
	}
	if charset == "utf8" || charset == "utf8mb4" {
		t.plain = append(t.plain, "'漢字'", "'ß'")
	}
	if charset == "utf8mb4" {
		t.plain = append(t.plain, "'😀'")
	}
	return t
}

var (
	texts = []*typ{
		text("VARCHAR(20)", "latin1", "latin1_swedish_ci"), text("VARCHAR(20)", "latin1", "latin1_bin"), text("CHAR(10)", "latin1", "latin1_swedish_ci"),
		text("VARCHAR(20)", "utf8", "utf8_general_ci"), text("VARCHAR(20)", "utf8", "utf8_bin"), text("CHAR(10)", "utf8", "utf8_unicode_ci"),
		text("VARCHAR(20)", "utf8mb4", "utf8mb4_unicode_ci"), text("VARCHAR(20)", "utf8mb4", "utf8mb4_bin"), text("CHAR(10)", "utf8mb4", "utf8mb4_general_ci"),
	}
	numbers = []*typ{
		{decl: "DECIMAL(10,2)", kind: "other", key: []string{"0", "1", "1.5", "-1.5", "2", "0.01", "12345678.99", "3", "4", "5"}},
		{decl: "DECIMAL(5,0)", kind: "other", key: []string{"0", "1", "-1", "2", "99999", "3", "4", "5"}},
		{decl: "DOUBLE", kind: "float", key: []string{"0", "0.5", "-1.25", "0.1", "1e10", "3", "1e-5", "4", "5"}, plain: []string{"1e300", "-1e-300", "1.7976931348623157e308", "123456789.123456789"}},
		{decl: "FLOAT", kind: "float", key: []string{"0", "0.5", "-1.25", "0.1", "1e10", "3", "16777216", "4", "5"}, plain: []string{"1e30", "-1e-30", "3.4e38"}},
	}
	others = []*typ{
		{decl: "DATE", kind: "other", key: []string{"'2024-01-01'", "'2024-02-29'", "'1900-01-01'", "'9999-12-31'", "'2023-05-06'", "'2023-05-07'"}},
		{decl: "DATETIME", kind: "other", key: []string{"'2024-01-01 00:00:00'", "'2024-02-29 23:59:59'", "'1000-01-01 00:00:00'", "'2023-05-06 07:08:09'", "'2023-05-06 07:08:10'"}},
		{decl: "DATETIME(6)", kind: "other", key: []string{"'2024-01-01 00:00:00.000001'", "'2024-01-01 00:00:00.000002'", "'2024-01-01 00:00:00'", "'2023-05-06 07:08:09.5'"}},
		{decl: "TIMESTAMP(6)", kind: "other", key: []string{"'2024-01-01 10:00:00.000001'", "'2024-01-01 10:00:00.000002'", "'2024-01-01 10:00:00'", "'2023-05-06 07:08:09.5'", "'1971-01-01 00:00:01'"}},
		{decl: "TIMESTAMP", kind: "other", key: []string{"'2024-01-01 10:00:00'", "'2024-01-01 10:00:01'", "'2037-01-01 10:00:00'", "'2023-05-06 07:08:09'"}},
		{decl: "TIME(3)", kind: "other", key: []string{"'00:00:00'", "'-01:02:03.004'", "'838:00:00'", "'10:00:00.5'", "'10:00:01'"}},
		{decl: "YEAR", kind: "year", key: []string{"2000", "1999", "2024", "1901", "2155"}, plain: []string{"0"}},
		{decl: "ENUM('a','b','ç','d','E') CHARACTER SET utf8 COLLATE utf8_general_ci", kind: "other", key: []string{"'a'", "'b'", "'ç'", "'d'", "'E'"}},
		{decl: "SET('x','y','z')", kind: "other", key: []string{"''", "'x'", "'y'", "'x,y'", "'z'", "'x,z'"}},
		{decl: "BIT(12)", kind: "bit", key: []string{"0", "1", "2", "255", "256", "4095"}},
		{decl: "BIT(64)", kind: "bit", key: []string{"0", "1", "18446744073709551615", "9223372036854775808"}},
		{decl: "BINARY(16)", kind: "bytes", key: []string{"x'00'", "x'01'", "x'ff'", "x'000102030405060708090a0b0c0d0e0f'", "x'61'", "x'41'", "x'2c1f1e'"}},
		{decl: "VARBINARY(20)", kind: "bytes", key: []string{"x'00'", "x'01'", "x'ff'", "x'6120'", "x'61'", "x'41'", "x'1e4e'", "x'1e1e4e'"}, plain: []string{"''"}},
	}
	long = []*typ{ // no keys
		{decl: "TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", kind: "text", plain: []string{"'a'", "''", "REPEAT('é', 3000)", "'😀'", "'A'"}},
		{decl: "MEDIUMTEXT CHARACTER SET latin1", kind: "text", plain: []string{"'a'", "''", "REPEAT('é', 30000)"}},
		{decl: "BLOB", kind: "bytes", plain: []string{"''", "x'00'", "REPEAT(x'ff00', 5000)", "'text'"}},
	}
	jsons = &typ{decl: "JSON", kind: "json", plain: []string{`'{"a": 1}'`, `'{"b": [1, 2, null], "a": "é"}'`, `'[]'`, `'1.50'`, `'"text"'`, `'{"a": 1, "aa": {"b": true}}'`, `'null'`, `'12345678901234567890'`}}
)

// value draws a literal of a column's type.
func (y *typ) value(t *rapid.T, key bool) string {
	if y.kind == "integer" {
		n := rapid.IntRange(1, 40).Draw(t, "number")
		switch {
		case n <= 30:
			return strconv.Itoa(n)
		case n <= 32:
			return "0"
		case n <= 34 && !strings.Contains(y.decl, "UNSIGNED"):
			return "-" + strconv.Itoa(n)
		case n <= 36:
			return strconv.Itoa(n + 60)
		case key:
			return strconv.Itoa(n)
		}
		return strconv.FormatUint(1<<(y.bits-1)-1+1<<(y.bits-1), 10) // the greatest
	}
	if key {
		return rapid.SampledFrom(y.key).Draw(t, "value")
	}
	return rapid.SampledFrom(append(y.key[:len(y.key):len(y.key)], y.plain...)).Draw(t, "value")
}

// quoted is a value that was read, as a literal. nil is NULL.
func (y *typ) quoted(v *string) string {
	if v == nil {
		return "NULL"
	}
	switch y.kind {
	case "integer", "float", "year":
		return *v
	case "bit":
		return "x'" + hex.EncodeToString([]byte(*v)) + "'+0"
	case "bytes":
		return "x'" + hex.EncodeToString([]byte(*v)) + "'"
	}
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\x00", `\0`).Replace(*v) + "'"
}

// read is the expression that reads a column whole.
func (y *typ) read(column string) string {
	if y.decl == "FLOAT" {
		return quote(column) + "*1e0"
	}
	return quote(column)
}

// same is a value in a form that all servers agree about.
func (y *typ) same(v string) string {
	switch y.kind {
	case "integer":
		if s := strings.TrimLeft(v, "0"); s != "" {
			return s
		}
		return "0"
	case "float":
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return strconv.FormatFloat(f, 'g', -1, 64)
		}
	case "json":
		var x any
		d := json.NewDecoder(strings.NewReader(v))
		d.UseNumber()
		if d.Decode(&x) == nil {
			if b, err := json.Marshal(short(x)); err == nil {
				return string(b)
			}
		}
	}
	return v
}

// short is a JSON value whose numbers with a point are as short as can be: MySQL keeps 1.50 as 1.5, MariaDB as it was written.
func short(x any) any {
	switch x := x.(type) {
	case json.Number:
		if f, err := x.Float64(); err == nil && strings.ContainsAny(x.String(), ".eE") {
			return f
		}
	case []any:
		for i := range x {
			x[i] = short(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = short(x[k])
		}
	}
	return x
}

// folded is a value as the column's collation compares it, as far as the values above go.
func (y *typ) folded(v string) string {
	v = y.same(v)
	if y.text {
		v = strings.TrimRight(v, " ")
	}
	if y.fold {
		v = strings.NewReplacer("é", "e", "É", "e", "ß", "s").Replace(strings.ToLower(v))
	}
	return v
}

func quote(name string) string { return "`" + name + "`" }

func list[T any](of []T, f func(T) string) string {
	var out []string
	for _, x := range of {
		out = append(out, f(x))
	}
	return strings.Join(out, ", ")
}
