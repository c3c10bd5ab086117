package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/omsync/omsync/access"
)

const quotaBase = "node = \"hub\"\ndsn = \"root@unix(/s)/d\"\n"

// Each quota has its setting, and what is not set has its default.
func TestLimits(t *testing.T) {
	c := &Config{}
	if err := c.parse([]byte(quotaBase)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c.Limits(), access.DefaultLimits()) {
		t.Errorf("nothing set: %v", c.Limits())
	}
	c = &Config{}
	if err := c.parse([]byte(quotaBase + "[quota]\nauthors = 1\nconflicts = 2\nconflict_bytes = \"3KiB\"\ntombstones = 4\nhistories = 5\nrestores = 6\nnew_histories = 0\nrequests = 7\n")); err != nil {
		t.Fatal(err)
	}
	want := access.Amounts{access.Authors: 1, access.Conflicts: 2, access.ConflictBytes: 3072, access.Tombstones: 4, access.Histories: 5, access.Restores: 6, access.NewHistories: 0, access.Requests: 7}
	if !reflect.DeepEqual(c.Limits(), want) {
		t.Errorf("got %v, want %v", c.Limits(), want)
	}
	for bad, says := range map[string]string{"authors = -1": "negative", "conflict_bytes = \"much\"": "quota.conflict_bytes", "later = 1": "later"} {
		if err := new(Config).parse([]byte(quotaBase + "[quota]\n" + bad)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// The defaults that the documents have are those of the program.
func TestQuotaSettings(t *testing.T) {
	limits := access.DefaultLimits()
	found := 0
	for _, s := range Settings() {
		name, ok := strings.CutPrefix(s.Name, "quota.")
		if !ok {
			continue
		}
		found++
		quoted := s.Default
		if strings.Trim(quoted, "0123456789") != "" {
			quoted = `"` + quoted + `"`
		}
		c := &Config{}
		if err := c.parse([]byte(quotaBase + "[quota]\n" + name + " = " + quoted)); err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		if q := access.Quota(name); limits[q] == 0 || c.Limits()[q] != limits[q] {
			t.Errorf("%s: %s is %d, and the program has %d", s.Name, s.Default, c.Limits()[q], limits[q])
		}
	}
	if found != len(limits) {
		t.Errorf("%d settings for %d quotas", found, len(limits))
	}
}
