package access_test

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/access"
)

// A child uses each quota up to its limit and not one above; a parent is not held to any.
func TestQuotas(t *testing.T) {
	limits := access.DefaultLimits()
	all := access.AllQuotas()
	if len(all) != 8 || len(limits) != len(all) {
		t.Fatalf("%d quotas, %d limits", len(all), len(limits))
	}
	for _, q := range all {
		limit := limits[q]
		for _, c := range []struct {
			name       string
			role       access.Role
			used, more uint64
			want       bool
		}{
			{"nothing used", access.Child, 0, 1, true},
			{"all at once", access.Child, 0, limit, true},
			{"one above at once", access.Child, 0, limit + 1, false},
			{"the last", access.Child, limit - 1, 1, true},
			{"one above", access.Child, limit, 1, false},
			{"two where one is left", access.Child, limit - 1, 2, false},
			{"no more of what is used up", access.Child, limit, 0, true},
			{"no more, above the limit", access.Child, limit + 5, 0, true},
			{"more, above the limit", access.Child, limit + 5, 1, false},
			{"very many more", access.Child, limit, math.MaxUint64, false},
			{"a parent", access.Parent, limit, 1, true},
			{"a parent, very many", access.Parent, limit, math.MaxUint64, true},
		} {
			if got := limits.Allows(c.role, q, c.used, c.more); got != c.want {
				t.Errorf("%s, %s: %t, want %t", q, c.name, got, c.want)
			}
		}
	}
}

func TestQuotasAreCounted(t *testing.T) {
	var u access.Used
	limits := access.Amounts{access.Authors: 3}
	for _, more := range []uint64{2, 0, 1} {
		if err := u.Use(limits, access.Child, "kisumu", access.Authors, more); err != nil {
			t.Fatal(err)
		}
	}
	err := u.Use(limits, access.Child, "kisumu", access.Authors, 1)
	var over *access.OverQuota
	if !errors.As(err, &over) || *over != (access.OverQuota{Peer: "kisumu", Quota: access.Authors, Used: 3, More: 1, Limit: 3}) {
		t.Fatalf("one above: %v", err)
	}
	for _, says := range []string{"kisumu", "names of authors", "3 of 3", "1 more", "raise authors", "[quota]", "inbox retry", "peer suspend kisumu"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q lacks %q", err, says)
		}
	}
	if !reflect.DeepEqual(u.Amounts, access.Amounts{access.Authors: 3}) {
		t.Errorf("used %v", u.Amounts)
	}
	if err := u.Use(limits, access.Parent, "hub", access.Authors, 9); err != nil || u.Amounts[access.Authors] != 3 {
		t.Errorf("of a parent: %v, %v", err, u.Amounts)
	}
}

// What stops one bad child under a hub does not stop that hub at its own parent.
func TestQuotasFitTogether(t *testing.T) {
	l := access.DefaultLimits()
	if l[access.Restores] < 10*l[access.NewHistories] || l[access.Histories] < 2*l[access.Restores] {
		t.Errorf("limits %v", l)
	}
	for _, q := range access.AllQuotas() {
		if q.Words() == string(q) || l[q] == 0 {
			t.Errorf("%s is called %q, and its limit is %d", q, q.Words(), l[q])
		}
	}
	if slices.Contains(access.AllQuotas(), "") || access.Quota("later").Words() != "later" {
		t.Error("a quota that is not known has no name")
	}
}

func TestResendsAreSeldom(t *testing.T) {
	const now = 1_779_494_400_000_000
	for _, c := range []struct {
		name string
		last int64
		want bool
	}{
		{"never sent again before", 0, true},
		{"just now", now, false},
		{"nearly long enough ago", now - access.ResendEvery + 1, false},
		{"long enough ago", now - access.ResendEvery, true},
		{"later than now: the clock was set back", now + 1, true},
	} {
		if got := access.Resends(c.last, now); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}
