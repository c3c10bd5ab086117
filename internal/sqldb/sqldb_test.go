package sqldb_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sqldb"
)

func TestParseVersion(t *testing.T) {
	for s, want := range map[string]sqldb.Version{
		"10.11.6-MariaDB-0+deb12u1-log": {MariaDB: true, Major: 10, Minor: 11, Patch: 6},
		"5.5.5-10.3.39-MariaDB":         {MariaDB: true, Major: 10, Minor: 3, Patch: 39},
		"5.6.24-log":                    {Major: 5, Minor: 6, Patch: 24},
		"9.7.4":                         {Major: 9, Minor: 7, Patch: 4},
		"":                              {},
	} {
		if got := sqldb.ParseVersion(s); got != want {
			t.Errorf("ParseVersion(%q) = %+v, want %+v", s, got, want)
		}
	}
}

func TestVersionAtLeast(t *testing.T) {
	v := sqldb.Version{Major: 5, Minor: 7, Patch: 2}
	for want, atLeast := range map[bool][][3]int{
		true:  {{5, 7, 2}, {5, 7, 1}, {5, 6, 9}, {4, 9, 9}},
		false: {{5, 7, 3}, {5, 8, 0}, {6, 0, 0}},
	} {
		for _, n := range atLeast {
			if got := v.AtLeast(n[0], n[1], n[2]); got != want {
				t.Errorf("%v.AtLeast(%v) = %t", v, n, got)
			}
		}
	}
}

func TestAppendDerived(t *testing.T) {
	value := func(b []byte, row, column int) []byte { return strconv.AppendInt(b, int64(10*row+column), 10) }
	b, n := sqldb.AppendDerived([]byte("FROM "), []string{"a", "c"}, 3, 0, value)
	if want := "FROM (SELECT 0 a, 1 c UNION ALL SELECT 10, 11 UNION ALL SELECT 20, 21) d"; string(b) != want || n != 3 {
		t.Errorf("%d rows: %s", n, b)
	}
	for limit, want := range map[int]int{1: 1, 20: 2, 1000: 3} { // one row at least, and none after the limit is passed
		if b, n := sqldb.AppendDerived(nil, []string{"a"}, 3, limit, value); n != want || strings.Count(string(b), "SELECT") != want {
			t.Errorf("limit %d: %d rows: %s", limit, n, b)
		}
	}
}

func TestAppendIn(t *testing.T) {
	for n, want := range map[int]string{1: "x (t.id IN (7))", 3: "x (t.id IN (7,8,9))"} {
		if b := sqldb.AppendIn([]byte("x "), "t.id", n, func(i int) int64 { return int64(7 + i) }); string(b) != want {
			t.Errorf("%s, want %s", b, want)
		}
	}
	b := string(sqldb.AppendIn(nil, "id", 1001, func(i int) int64 { return int64(i) - 2 }))
	if !strings.HasPrefix(b, "(id IN (-2,-1,0,") || !strings.HasSuffix(b, "997) OR id IN (998))") || strings.Count(b, "497) OR id IN (498,") != 1 || strings.Count(b, "IN") != 3 {
		t.Error(b)
	}
}

func TestBinary(t *testing.T) {
	long := strings.Repeat("'", 1<<16+1)
	for s, want := range map[string]string{"": "''", "a\x00'": "x'610027'", long: "_binary'" + strings.Repeat(`\'`, len(long)) + "'"} {
		if got := string(sqldb.Binary(nil, s)); got != want {
			t.Errorf("Binary(%.10q) = %.40s, want %.40s", s, got, want)
		}
	}
}

func TestErrorNumberOfOthers(t *testing.T) {
	if n := sqldb.ErrorNumber(fmt.Errorf("no server's")); n != sqldb.ErrNone || sqldb.IsLockConflict(nil) {
		t.Errorf("got %d", n)
	}
}
