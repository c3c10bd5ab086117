package apply_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// policies are those of a site, as "ward=parent" or "ward.name=child", the later before the earlier.
func policies(rules ...string) func(*journal.Table) merge.Policies {
	return func(t *journal.Table) (out merge.Policies) {
		for _, r := range rules {
			name, says, _ := strings.Cut(r, "=")
			policy, ok := merge.ParsePolicy(says)
			if !ok {
				panic(r)
			}
			table, column, _ := strings.Cut(name, ".")
			for _, c := range t.Columns {
				if table == t.Name && (column == "" || column == c.Name) {
					out.Set(merge.Bit(c.Bit), policy)
				}
			}
		}
		return out
	}
}

// policySites are a hub and sites in a chain below it that hold one ward, and have told each other so.
func policySites(t *testing.T, names ...string) []*sites.Site {
	t.Helper()
	var all []*sites.Site
	for i, name := range names {
		s := sites.New(t, name, "none", wards...)
		if i == 0 {
			s.Exec("INSERT INTO ward (name, code, size, uuid) VALUES ('maternity', 'M', 1, 'w-1')")
		} else {
			s.SetOffset(int64(100 * i))
		}
		s.Init()
		if i > 0 {
			all[i-1].Connect(s)
		}
		all = append(all, s)
	}
	sites.ExchangeTwice(all...)
	return all
}

// Each column of one row goes by its own policy, whoever was later and whoever hears of the other first. The hub alone has policies, and
// its child follows them; or both have them. What lost is recorded at both.
func TestColumnsGoByTheirPolicies(t *testing.T) {
	for _, later := range []string{"hub", "clinic"} {
		for _, first := range []string{"hub", "clinic"} {
			for _, who := range []string{"hub", "both"} {
				t.Run(fmt.Sprintf("later at %s, first heard of from %s, set at %s", later, first, who), func(t *testing.T) {
					all := policySites(t, "hub", "clinic")
					hub, clinic := all[0], all[1]
					hub.Policies = policies("ward=parent", "ward.code=child", "ward.size=newest")
					if who == "both" {
						clinic.Policies = hub.Policies
					}
					ours := "UPDATE ward SET name = 'hub', code = 'hub', size = 10, kind = 'a'"
					theirs := "UPDATE ward SET name = 'clinic', code = 'clinic', size = 20, kind = 'b'"
					hub.SetClock(time.Hour)
					clinic.SetClock(time.Hour)
					if later == "hub" {
						hub.SetClock(2 * time.Hour)
					} else {
						clinic.SetClock(2 * time.Hour)
					}
					hub.Exec(ours)
					clinic.Exec(theirs)
					if first == "clinic" {
						clinic.Send(hub)
					} else {
						hub.Send(clinic)
					}
					sites.ExchangeTwice(hub, clinic)
					sites.Quiet(t, hub, clinic)
					sites.Same(t, hub, clinic)
					size, lost := "10", "20"
					if later == "clinic" {
						size, lost = lost, size
					}
					for _, s := range all {
						if got, want := strings.Join(s.Query("SELECT name, code, size, kind FROM ward")[0], " "), "hub clinic "+size+" a"; got != want {
							t.Errorf("%s has %s, want %s", s.Name, got, want)
						}
						got := s.One("SELECT GROUP_CONCAT(column_name, '=', value ORDER BY column_name SEPARATOR ' ') FROM omsync_conflict")
						if want := "code=hub kind=b name=clinic size=" + lost; got != want {
							t.Errorf("%s recorded %s, want %s", s.Name, got, want)
						}
					}
				})
			}
		}
	}
}

// Three sites in a chain that all change one value end with the policy's, which the hub alone has and each site hears of from its parent.
func TestThreeSitesUnderAPolicy(t *testing.T) {
	for policy, want := range map[string]string{"parent": "hub", "child": "clinic", "newest": "district"} {
		for _, upward := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, upward first: %t", policy, upward), func(t *testing.T) {
				all := policySites(t, "hub", "district", "clinic")
				for _, s := range all[:2] { // a clinic has no child to tell
					s.Policies = policies("ward.name=" + policy)
				}
				for i, s := range all {
					s.SetClock(time.Duration(1+i%2) * time.Hour) // the district's is the latest
					s.Exec("UPDATE ward SET name = '" + s.Name + "'")
				}
				if upward {
					all[2].Send(all[1])
					all[1].Send(all[0])
				} else {
					all[0].Send(all[1])
					all[1].Send(all[2])
				}
				for range 3 {
					sites.ExchangeTwice(all...)
				}
				sites.Quiet(t, all...)
				for _, s := range all {
					if got := s.One("SELECT name FROM ward"); got != want {
						t.Errorf("%s has %s, want %s", s.Name, got, want)
					}
					for _, lost := range all {
						if n := s.One("SELECT COUNT(*) FROM omsync_conflict WHERE column_name = 'name' AND value = ?", lost.Name); (n == "0") != (lost.Name == want) {
							t.Errorf("%s recorded %s's value %s times", s.Name, lost.Name, n)
						}
					}
				}
			})
		}
	}
}

// A deletion against an edit goes by the stamps under every policy, and both ends agree.
func TestDeletionsUnderPolicies(t *testing.T) {
	for _, policy := range []string{"newest", "parent", "child"} {
		for _, deletes := range []string{"hub", "clinic"} {
			for _, later := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, deleted at %s, later: %t", policy, deletes, later), func(t *testing.T) {
					all := policySites(t, "hub", "clinic")
					hub, clinic := all[0], all[1]
					hub.Policies = policies("ward=" + policy)
					for _, s := range all {
						s.SetClock(time.Hour)
						if s.Name == deletes {
							if later {
								s.SetClock(2 * time.Hour)
							}
							s.Exec("DELETE FROM ward")
							continue
						}
						if !later {
							s.SetClock(2 * time.Hour)
						}
						s.Exec("UPDATE ward SET name = 'edited'")
					}
					sites.ExchangeTwice(hub, clinic)
					sites.Quiet(t, hub, clinic)
					sites.Same(t, hub, clinic)
					want := map[bool]string{true: "0", false: "1"}[later]
					for _, s := range all {
						if n := s.One("SELECT COUNT(*) FROM ward"); n != want {
							t.Errorf("%s has %s rows, want %s", s.Name, n, want)
						}
						if n := s.One("SELECT COUNT(*) > 0 FROM omsync_conflict WHERE row_key = 'w-1'"); n != "1" {
							t.Errorf("%s has no record of what lost", s.Name)
						}
					}
				})
			}
		}
	}
}

// Two ends that have opposite policies end equal: the child follows its parent.
func TestOppositePolicies(t *testing.T) {
	for _, at := range []string{"parent", "child"} {
		all := policySites(t, "hub", "clinic")
		hub, clinic := all[0], all[1]
		hub.Policies = policies("ward.name=" + at)
		clinic.Policies = policies("ward=" + map[string]string{"parent": "child", "child": "parent"}[at])
		hub.Exec("UPDATE ward SET name = 'hub', code = 'hub'")
		clinic.Exec("UPDATE ward SET name = 'clinic', code = 'clinic'")
		for range 3 {
			sites.ExchangeTwice(hub, clinic)
		}
		sites.Quiet(t, hub, clinic)
		sites.Same(t, hub, clinic)
		want := map[string]string{"parent": "hub", "child": "clinic"}[at]
		if got := clinic.One("SELECT name FROM ward"); got != want {
			t.Errorf("under %s: %s, want %s", at, got, want)
		}
	}
}
