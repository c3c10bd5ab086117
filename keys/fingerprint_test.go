package keys

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func anyCard() *rapid.Generator[Card] {
	return rapid.Custom(func(t *rapid.T) Card {
		return Card{
			Name:      rapid.StringMatching(`[a-c]{1,3}`).Draw(t, "name"),
			Recipient: rapid.StringMatching(`[a-c]{0,3}`).Draw(t, "recipient"),
			Verify:    rapid.SliceOfN(rapid.ByteRange('a', 'c'), 0, 3).Draw(t, "verify"),
		}
	})
}

func TestFingerprintTellsCardsApart(t *testing.T) {
	shape := regexp.MustCompile(`\A\d{5}(-\d{5}){6}\z`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyCard().Draw(t, "a"), anyCard().Draw(t, "b")
		if !shape.MatchString(a.Fingerprint()) {
			t.Fatalf("fingerprint %q", a.Fingerprint())
		}
		same := a.Name == b.Name && a.Recipient == b.Recipient && bytes.Equal(a.Verify, b.Verify)
		if SameFingerprint(a.Fingerprint(), b.Fingerprint()) != same {
			t.Fatalf("%+v and %+v: %s and %s", a, b, a.Fingerprint(), b.Fingerprint())
		}
	})
}

func TestSameFingerprint(t *testing.T) {
	const fp = "01191-73725-20842-69329-21234-01080-48951"
	for _, typed := range []string{
		fp,
		strings.ReplaceAll(fp, "-", " "),
		strings.ReplaceAll(fp, "-", ""),
		"  " + strings.ReplaceAll(fp, "-", "\u2013") + "\r\n",
		"01 191\t73725 20842\u00a069329 21234 01080 48951",
	} {
		if !SameFingerprint(fp, typed) || !SameFingerprint(typed, fp) {
			t.Errorf("%q was not taken for the same", typed)
		}
	}
	if !SameFingerprint("ABC-d", "abcD") {
		t.Error("case counts")
	}
	for _, typed := range []string{"", "-", fp[:40], fp + "0", strings.Replace(fp, "9", "8", 1), strings.ReplaceAll(fp, "-", ".")} {
		if SameFingerprint(fp, typed) {
			t.Errorf("%q was taken for the same", typed)
		}
	}
	if SameFingerprint("", "") || SameFingerprint(" ", "-") {
		t.Error("nothing was taken for a fingerprint")
	}
}
