package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/schema"
)

func TestHookConfig(t *testing.T) {
	dir := t.TempDir()
	const head = "node = \"hub\"\ndsn = \"u@unix(/s)/db\"\nprofile = \"none\"\n\n[hooks]\n"
	read := func(text string) (*Config, error) {
		if err := os.WriteFile(filepath.Join(dir, Name), []byte(head+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Read(dir)
	}
	for text, want := range map[string]string{
		"after_import = \"/x\"":                          `line 6: write a list of the program and its arguments, as in ["/etc/omsync/after-import"]`,
		"after_import = [\"/x\", 3]":                     "line 6: write a list of the program",
		"timeout = \"5m\"\nafter_import = []":            "line 7: a hook without a program: ",
		"after_import = [\"\"]":                          "line 6: a hook without a program: ",
		"after_imprt = [\"/x\"]":                         "line 6: unknown key hooks.after_imprt",
		"after_import = [\"/x\"]\ntimeout = \"5 weeks\"": `line 7: "5 weeks" is no time that a hook may take: write it as "90s" or "5m"`,
		"timeout = \"-5m\"":                              `line 6: "-5m" is no time`,
		"timeout = \"0s\"":                               `line 6: "0s" is no time`,
		"timeout = 5":                                    "line 6: ",
		"reindex = \"yes\"":                              "line 6",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), Name+": "+want) {
			t.Errorf("%s\n%v, want\n%s", text, err, want)
		}
	}
	c, err := read("after_import = [\"/x\", \"a b\"]\ntimeout = \"90s\"\nreindex = true")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Hooks.AfterImport, []string{"/x", "a b"}) || c.Hooks.Limit() != 90*time.Second || !c.Hooks.Reindex {
		t.Errorf("read %+v", c.Hooks)
	}
	if c, err = read(""); err != nil || c.Hooks.AfterImport != nil || c.Hooks.Timeout != "" || c.Hooks.Limit() != DefaultHookTimeout || c.Hooks.Reindex {
		t.Errorf("an empty section: %+v, %v", c.Hooks, err)
	}
}

func TestHookReindexNeedsProfile(t *testing.T) {
	for profile, fits := range map[string]bool{"openmrs": true, "none": false} {
		p, err := schema.Builtin(profile)
		if err != nil {
			t.Fatal(err)
		}
		c := &Config{Home: "h"}
		if err := c.CheckProfile(p); err != nil {
			t.Errorf("%s: %v without reindex", profile, err)
		}
		c.Hooks.Reindex = true
		if err := c.CheckProfile(p); (err == nil) != fits {
			t.Errorf("%s: %v", profile, err)
		} else if err != nil && !strings.HasPrefix(err.Error(), filepath.Join("h", Name)+": reindex: the profile none has no section") {
			t.Error(err)
		}
	}
}
