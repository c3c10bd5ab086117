package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/tomlfile"
)

var (
	policySection = regexp.MustCompile(`^\s*\[\s*policy\s*\]\s*(#.*)?$`)
	policyValue   = regexp.MustCompile(`=\s*("[^"]*"|'[^']*')`)
)

// SetPolicy writes a rule into the section [policy] of omsync.toml, in place of one of the same name, and leaves the rest of the file as it
// is.
func (c *Config) SetPolicy(r PolicyRule) error {
	return c.editPolicies(r.Name, &r)
}

// RemovePolicy takes the rule of a name out of omsync.toml.
func (c *Config) RemovePolicy(name string) error { return c.editPolicies(name, nil) }

// editPolicies gives the name the rule, nil: none.
func (c *Config) editPolicies(name string, r *PolicyRule) error {
	data, err := os.ReadFile(c.path())
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	was := &Config{Home: c.Home}
	if err := was.parse(data); err != nil {
		return fmt.Errorf("%s: %w", c.path(), err)
	}
	rules, err := was.PolicyRules()
	if err != nil {
		return err
	}
	has := slices.IndexFunc(rules, func(o PolicyRule) bool { return o.Name == name })
	if r == nil && has < 0 {
		return failure.Hinted(fmt.Errorf("%s has no policy of %s", c.path(), name), "omsync --home %s conflicts policy lists those that it has", c.Home)
	}
	text, err := edited(data, name, r)
	if err != nil {
		return fmt.Errorf("%s: %w", c.path(), err)
	}
	// However the file is written, it must say afterwards what is meant, and nothing else.
	now := &Config{Home: c.Home}
	var got []PolicyRule
	if err = now.parse(text); err == nil {
		got, err = now.PolicyRules()
	}
	want := slices.DeleteFunc(slices.Clone(rules), func(o PolicyRule) bool { return o.Name == name })
	if r != nil {
		want = append(want, *r)
	}
	sortPolicies(want)
	if err != nil || !slices.Equal(got, want) {
		return c.byHand(name, r)
	}
	if err := durable.Write(c.path(), text, 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	c.Policy = now.Policy
	return nil
}

func (c *Config) path() string { return filepath.Join(c.Home, Name) }

// byHand is the error for a file that is not written line by line.
func (c *Config) byHand(name string, r *PolicyRule) error {
	err := fmt.Errorf("the policies in %s are written in a way that omsync does not edit", c.path())
	if r == nil {
		return failure.Hinted(err, "take the policy of %s out by hand", name)
	}
	return failure.Hinted(err, "write it there by hand, in the section [policy]: %s", policyLine(*r))
}

func policyLine(r PolicyRule) string {
	return tomlfile.Key{r.Name}.String() + " = " + tomlfile.Quote(r.Policy.String())
}

// edited returns the text of a configuration with the policy of a name changed, added or, if r is nil, left out. What it does not
// understand it leaves as it is.
func edited(data []byte, name string, r *PolicyRule) ([]byte, error) {
	f, err := tomlfile.Parse(data)
	if err != nil {
		return nil, err
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	if at := policyEntry(f, name); at > 0 && at <= len(lines) {
		switch old := lines[at-1]; {
		case r == nil:
			lines = slices.Delete(lines, at-1, at)
		case policyValue.Match(old):
			lines[at-1] = policyValue.ReplaceAllLiteral(old, []byte("= "+tomlfile.Quote(r.Policy.String())))
		}
		return bytes.Join(lines, nil), nil
	}
	if r == nil {
		return data, nil
	}
	newline := "\n"
	if bytes.Contains(data, []byte("\r\n")) {
		newline = "\r\n"
	}
	line := []byte(policyLine(*r) + newline)
	for i, l := range lines {
		if policySection.Match(bytes.TrimRight(l, "\r\n")) {
			if !bytes.HasSuffix(l, []byte("\n")) {
				lines[i] = append(slices.Clone(l), newline...)
			}
			return bytes.Join(slices.Insert(lines, i+1, line), nil), nil
		}
	}
	text := slices.Clone(data)
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, newline...)
	}
	return append(append(text, newline+"[policy]"+newline...), line...), nil
}

// policyEntry returns the line of the rule of a name, from 1; 0: there is none.
func policyEntry(f *tomlfile.File, name string) int {
	for _, e := range f.Entries() {
		if e.Kind != tomlfile.String || len(e.Key) < 2 || e.Key[0] != "policy" {
			continue
		}
		if e.Key[1] == name && len(e.Key) == 2 || len(e.Key) == 3 && e.Key[1]+"."+e.Key[2] == name {
			return e.Line
		}
	}
	return 0
}
