package tomlfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"pgregory.net/rapid"
)

func TestLine(t *testing.T) {
	text := "# node = 1\nnode = 'x'\n\n[policy]\nobs = 'newest'\n'odd' = 2\n[other.deep]\nx = 1\n[[link]]\nurl = 'a'\nin = { one = 1, 'two three' = [\n2] }\n[[link]]\nurl = 'b'\n"
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key  Key
		line int
	}{
		{Key{"node"}, 2}, {Key{"policy"}, 4}, {Key{"policy", "obs"}, 5}, {Key{"policy", "odd"}, 6}, {Key{"other"}, 7}, {Key{"other", "deep"}, 7},
		{Key{"other", "deep", "x"}, 8}, {Key{"link"}, 9}, {Key{"link", "url"}, 10}, {Key{"link", "in", "two three"}, 11}, {Key{"none"}, 1},
	} {
		if got := f.Line(c.key); got != c.line {
			t.Errorf("%s: line %d, want %d", c.key, got, c.line)
		}
	}
	var got []string
	for _, e := range f.Entries() {
		got = append(got, fmt.Sprintf("%s=%s", e.Key, e.Kind))
	}
	want := `node=string policy=table policy.obs=string policy.odd=integer other=table other.deep=table other.deep.x=integer link=list link.url=string ` +
		`link.in=table link.in.one=integer link.in."two three"=list`
	if s := strings.Join(got, " "); s != want {
		t.Errorf("keys\n%s, want\n%s", s, want)
	}
}

func TestDecodeNamesTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"\nx = [":                             "line 2: ",
		"a = 's'\na = 't'":                    "line 2: ",
		"\na = 5":                             "line 2: a cannot be an integer",
		"a = { b = 1 }":                       "line 1: a cannot be a table",
		"[m]\nx = true":                       "line 2: m.x cannot be a boolean",
		"[m.x]\ny = 's'":                      "line 1: m.x cannot be a table",
		"b = 's'":                             "line 1: unknown key b",
		"[in]\ns = 's'\n\n'not here' = 2":     `line 4: unknown key in."not here"`,
		"[none.deep]\ns = 's'":                "line 1: unknown key none.deep",
		"n = ['a', 3]":                        "line 1: n holds a value of another type",
		"[[l]]\ns = 'x'\n[[l]]\nsecret = 'x'": "line 4: unknown key l.secret",
	} {
		f, err := Parse([]byte(text))
		if err == nil {
			var into struct {
				A  string            `toml:"a"`
				M  map[string]string `toml:"m"`
				N  []string          `toml:"n"`
				In struct {
					S string `toml:"s"`
				} `toml:"in"`
				L []struct {
					S string `toml:"s"`
				} `toml:"l"`
			}
			err = f.Decode(&into)
		}
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// No error quotes what the file holds: it may be a password.
func TestErrorsKeepValues(t *testing.T) {
	for _, text := range []string{"a = \"secret", "a = secret", "a = 'x' secret", "secret word", "a = \"\\qsecret\"", "a = 5secret", "a = {secret}", "a = [secret]"} {
		if _, err := Parse([]byte(text)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Whatever a text is, TOML reads it back, as a value and as a key.
func TestQuoteProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		var got map[string]string
		if err := toml.Unmarshal([]byte(Key{s}.String()+" = "+Quote(s)), &got); err != nil || len(got) != 1 || got[s] != s {
			t.Fatalf("%q came back as %q: %v", s, got, err)
		}
	})
}
