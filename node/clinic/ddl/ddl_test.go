package ddl_test

import (
	"slices"
	"testing"

	"github.com/omsync/omsync/internal/mutation"
	"github.com/omsync/omsync/node/clinic/ddl"
)

func TestStatements(t *testing.T) {
	for _, c := range []struct {
		what      string
		f         func(string) string
		give, get string
	}{
		{"a counter", ddl.Table, "CREATE TABLE `a` (\n  `id` int NOT NULL AUTO_INCREMENT\n) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8", "CREATE TABLE `a` (\n  `id` int NOT NULL AUTO_INCREMENT\n) ENGINE=InnoDB DEFAULT CHARSET=utf8"},
		{"words in a comment", ddl.Table, `CREATE TABLE a (b int COMMENT 'it''s \' AUTO_INCREMENT=5 COLLATE utf8mb3_bin')`, `CREATE TABLE a (b int COMMENT 'it''s \' AUTO_INCREMENT=5 COLLATE utf8mb3_bin')`},
		{"words in a name", ddl.Table, "CREATE TABLE `AUTO_INCREMENT=5 x\\` (b int) AUTO_INCREMENT=5", "CREATE TABLE `AUTO_INCREMENT=5 x\\` (b int)"},
		{"an old name of a collation", ddl.Table, "b varchar(3) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci) COLLATE=utf8mb3_bin", "b varchar(3) CHARACTER SET utf8mb3 COLLATE utf8_general_ci) COLLATE=utf8_bin"},
		{"MySQL's own", ddl.Table, ") COLLATE=utf8mb4_0900_ai_ci", ") /*!80017 COLLATE=utf8mb4_0900_ai_ci *//*M!50300 COLLATE=utf8mb4_unicode_520_ci */"},
		{"MySQL's own, exact", ddl.Table, ") COLLATE=utf8mb4_0900_as_cs", ") /*!80017 COLLATE=utf8mb4_0900_as_cs *//*M!50300 COLLATE=utf8mb4_bin */"},
		{"MariaDB's own", ddl.Table, ") COLLATE=utf8mb4_uca1400_ai_ci", ") /*M!101001 COLLATE=utf8mb4_uca1400_ai_ci *//*!50700 COLLATE=utf8mb4_unicode_520_ci */"},
		{"MariaDB's own, short", ddl.Table, ") COLLATE=utf8mb3_uca1400_ai_ci", ") /*M!101001 COLLATE=utf8mb3_uca1400_ai_ci *//*!50700 COLLATE=utf8_unicode_520_ci */"},
		{"a view", ddl.View, "CREATE ALGORITHM=UNDEFINED DEFINER=`o'm``s`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1", "CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select 1"},
		{"a procedure", ddl.WithoutDefiner, "CREATE DEFINER=`root`@`localhost` PROCEDURE `p`() SELECT 'DEFINER=`a`@`b` '", "CREATE PROCEDURE `p`() SELECT 'DEFINER=`a`@`b` '"},
		{"a role", ddl.WithoutDefiner, "CREATE DEFINER=`r` FUNCTION `f`() RETURNS int RETURN 1", "CREATE FUNCTION `f`() RETURNS int RETURN 1"},
		{"as somebody wrote it", ddl.WithoutDefiner, "create definer = 'a'@localhost trigger t", "create trigger t"},
		{"modes", ddl.Mode, "STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER,ANSI_QUOTES", "STRICT_TRANS_TABLES,ANSI_QUOTES"},
		{"the usual end", ddl.Delimiter, "BEGIN SELECT 1; END", ";;"},
		{"an end that is there", ddl.Delimiter, "BEGIN SELECT 1;; END", ";;;"},
	} {
		if got := c.f(c.give); got != c.get {
			t.Errorf("%s:\n%s\nbecomes\n%s\nand not\n%s", c.what, c.give, got, c.get)
		}
	}
}

func TestOrder(t *testing.T) {
	got := ddl.Order(map[string]string{"a": "select from `c`", "b": "select `b`.`x` from `t` `b`", "c": "select from `d`", "d": "select 1"})
	if want := []string{"d", "c", "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestMutants(t *testing.T) {
	mutation.Check(t, "^(TestStatements|TestOrder)$",
		mutation.Mutant{Rule: "counters begin anew", File: "ddl.go", Old: `portable(counter.ReplaceAllString(s, ""))`, New: "portable(s)"},
		mutation.Mutant{Rule: "a quote behind a backslash ends nothing", File: "ddl.go", Old: `if s[end] == '\\' && s[i] != '` + "`" + `' {`, New: "if false {"},
		mutation.Mutant{Rule: "a backslash in a name is a letter", File: "ddl.go", Old: ` && s[i] != '` + "`" + `' {`, New: " {"},
		mutation.Mutant{Rule: "older servers know utf8_", File: "ddl.go", Old: `before + "utf8_" + rest`, New: "before + collation"},
		mutation.Mutant{Rule: "a view stands after what it names", File: "ddl.go", Old: "				place(other)\n", New: ""},
		mutation.Mutant{Rule: "the statement does not hold its end", File: "ddl.go", Old: "strings.Contains(statement, d)", New: "false"},
	)
}
