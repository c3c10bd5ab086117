package enrol

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/access"
)

func drawToken(t *rapid.T) Token {
	bytes := func(n int, what string) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, what) }
	k := Token{secret: [16]byte(bytes(16, "secret")), card: [16]byte(bytes(16, "card"))}
	if rapid.Bool().Draw(t, "parent") {
		k.flags |= flagParent
	}
	if rapid.Bool().Draw(t, "pinned") {
		k = k.withPin(bytes(32, "pin"))
	}
	return k
}

func TestTokenRoundTrip(t *testing.T) {
	word := regexp.MustCompile(`^omsync-[A-Za-z0-9_-]{51}([A-Za-z0-9_-]{43})?$`)
	rapid.Check(t, func(t *rapid.T) {
		k := drawToken(t)
		s := k.String()
		if !word.MatchString(s) {
			t.Fatalf("%q is not one plain word", s)
		}
		blank := rapid.SampledFrom([]string{"", " ", "\n", "\r\n\t"})
		got, err := ParseToken(blank.Draw(t, "before") + s + blank.Draw(t, "after"))
		if err != nil || got != k {
			t.Fatalf("%v: %v", got, err)
		}
	})
}

// TestTokenFormat holds the bytes still: tokens are read by other versions of omsync than they were made by.
func TestTokenFormat(t *testing.T) {
	b := []byte{1, 3}
	for i := range byte(64) {
		b = append(b, i)
	}
	sum := sha256.Sum256(b)
	k, err := ParseToken("omsync-" + base64.RawURLEncoding.EncodeToString(append(b, sum[:4]...)))
	if err != nil {
		t.Fatal(err)
	}
	if k.secret != [16]byte(b[2:18]) || k.card != [16]byte(b[18:34]) || k.Role() != access.Parent ||
		k.Pin() != "sha256:"+base64.RawURLEncoding.EncodeToString(b[34:66]) {
		t.Errorf("read as %+v with role %s, pin %s", [][16]byte{k.secret, k.card}, k.Role(), k.Pin())
	}
	if got := (Token{}).Role(); got != access.Child {
		t.Errorf("role %s without the flag", got)
	}
}

// TestTokenTampered changes, adds, removes and swaps characters.
func TestTokenTampered(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n\r\t\"'"
	rapid.Check(t, func(t *rapid.T) {
		s := drawToken(t).String()
		at := rapid.IntRange(0, len(s)-1).Draw(t, "at")
		c := rapid.SampledFrom([]byte(alphabet)).Draw(t, "character")
		b := []byte(s)
		switch rapid.SampledFrom([]string{"change", "insert", "remove", "swap"}).Draw(t, "how") {
		case "change":
			b[at] = c
		case "insert":
			b = slices.Insert(b, at, c)
		case "remove":
			b = slices.Delete(b, at, at+1)
		case "swap":
			b[at], b[(at+1)%len(b)] = b[(at+1)%len(b)], b[at]
		}
		_, err := ParseToken(string(b))
		if same := strings.TrimSpace(string(b)) == s; same != (err == nil) {
			t.Fatalf("%q for %q: %v", b, s, err)
		}
		if err != nil && strings.Contains(err.Error(), string(b[10:30])) {
			t.Fatalf("the error tells the token: %v", err)
		}
	})
}

func TestTokenErrors(t *testing.T) {
	k := Token{secret: [16]byte{1, 2, 3}}
	s := k.withPin(make([]byte, 32)).String()
	again := func(version, flags byte, more int) string {
		b := append([]byte{version, flags}, make([]byte, 32+more)...)
		sum := sha256.Sum256(b)
		return tokenPrefix + base64url.EncodeToString(append(b, sum[:4]...))
	}
	for text, want := range map[string]string{
		"":                          "not a token",
		"https://hub":               "not a token",
		"OMSYNC-" + s[7:]:           "not a token",
		"omsync-":                   "cut short",
		s[:9]:                       "cut short",
		s[:40]:                      "cut short",
		s[:len(s)-1]:                "cut short",
		s[:30] + "\n" + s[30:]:      "none of it",
		s[:30] + "…" + s[31:]:       "none of it",
		s[:30] + "A" + s[30:]:       "mistyped",
		s + "A":                     "mistyped",
		mistype(s, 50):              "mistyped",
		again(2, 0, 0):              "newer version",
		again(2, 0, 100):            "newer version",
		again(1, 128, 0):            "newer version",
		mistype(again(2, 0, 0), 40): "mistyped",
		again(1, 0, 1):              "mistyped",
		again(1, 1, 33):             "mistyped",
	} {
		if _, err := ParseToken(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func mistype(s string, at int) string {
	c := byte('A')
	if s[at] == c {
		c = 'B'
	}
	return s[:at] + string(c) + s[at+1:]
}

func TestTokenInLogs(t *testing.T) {
	k := Token{secret: [16]byte{1, 2, 3}}
	for _, verb := range []string{"%+v", "%#v", "%x", "%d", "%q", "%X"} {
		if got := fmt.Sprintf(verb, k); got != "omsync token" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if fmt.Sprint(k) != k.String() || fmt.Sprintf("%s", k) != k.String() || fmt.Sprintf("%-70s|", k) != k.String()+strings.Repeat(" ", 12)+"|" {
		t.Errorf("%%s prints %s", k)
	}
}

func TestPins(t *testing.T) {
	s := newSite(t)
	for _, pin := range []string{"", "sha256:" + strings.Repeat("A", 43), "sha256:" + strings.Repeat("_", 42) + "8"} {
		k, _, err := s.v.Create("kisumu", access.Child, pin, s.hub, start, day)
		if err != nil || k.Pin() != pin || must(ParseToken(k.String()))(t) != k {
			t.Errorf("pin %q is %q: %v", pin, k.Pin(), err)
		}
	}
	for _, pin := range []string{"sha256:", strings.Repeat("A", 43), "sha256:" + strings.Repeat("A", 42), "sha256:" + strings.Repeat("A", 44),
		"sha256:" + strings.Repeat("A", 42) + "B", "sha256:" + strings.Repeat("A", 43) + "=", "sha256:\n" + strings.Repeat("A", 43), "sha512:" + strings.Repeat("A", 43)} {
		if _, _, err := s.v.Create("kisumu", access.Child, pin, s.hub, start, day); err == nil {
			t.Errorf("pin %q was taken", pin)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	k := Token{secret: [16]byte{1}, card: [16]byte{2}}
	f.Add(k.String())
	f.Add(k.withPin(make([]byte, 32)).String())
	f.Add(k.String()[:20])
	f.Add("omsync-AgAA")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseToken(s)
		if err == nil && k.String() != strings.TrimSpace(s) {
			t.Errorf("%q is also %q", s, k)
		}
	})
}
