package keys

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// goldenCards are cards that must be readable for good.
func goldenCards(t testing.TB) map[string][]byte {
	t.Helper()
	cards := make(map[string][]byte)
	for _, kind := range []Kind{Hybrid, X25519} {
		b, err := os.ReadFile(filepath.Join("testdata", "cards", string(kind)+".card"))
		if err != nil {
			t.Fatal(err)
		}
		cards[string(kind)] = b
	}
	return cards
}

func TestGoldenCards(t *testing.T) {
	fingerprints := map[string]string{
		"hybrid": "01191-73725-20842-69329-21234-01080-48951",
		"x25519": "41032-97400-82978-86644-11905-58933-84469",
	}
	for kind, text := range goldenCards(t) {
		c, err := ParseCard(text)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if c.Name != "kisumu" || c.Fingerprint() != fingerprints[kind] {
			t.Errorf("%s: read name %q and fingerprint %s", kind, c.Name, c.Fingerprint())
		}
		if !bytes.Equal(c.Marshal(), text) {
			t.Errorf("%s: is written another way now", kind)
		}
	}
}

func TestCardForgivesLineEnds(t *testing.T) {
	for kind, text := range goldenCards(t) {
		want, err := ParseCard(text)
		if err != nil {
			t.Fatal(err)
		}
		crlf := bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
		for name, sent := range map[string][]byte{
			"CR LF":           crlf,
			"blank around":    slices.Concat([]byte("\n\n\n"), text, []byte("\n\n")),
			"CR LF around":    slices.Concat([]byte("\r\n\r\n"), crlf, []byte("\r\n")),
			"no end":          bytes.TrimSuffix(text, []byte("\n")),
			"mixed line ends": bytes.Replace(text, []byte("\n"), []byte("\r\n"), 2),
		} {
			got, err := ParseCard(sent)
			if err != nil {
				t.Errorf("%s, %s: %v", kind, name, err)
			} else if !bytes.Equal(got.Marshal(), want.Marshal()) {
				t.Errorf("%s, %s: read as another card", kind, name)
			}
		}
	}
}

// TestTamperedCard changes, removes, adds and moves bytes and lines.
func TestTamperedCard(t *testing.T) {
	cards := goldenCards(t)
	rapid.Check(t, func(t *rapid.T) {
		text := cards[rapid.SampledFrom([]string{"hybrid", "x25519"}).Draw(t, "kind")]
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		b := rapid.Byte().Draw(t, "byte")
		lines := bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
		i := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
		j := rapid.IntRange(0, len(lines)-1).Draw(t, "other line")
		var bad []byte
		switch rapid.SampledFrom([]string{"change", "remove", "insert", "cut", "swap", "double", "drop"}).Draw(t, "how") {
		case "change":
			bad = bytes.Clone(text)
			bad[at] = b
		case "remove":
			bad = slices.Delete(bytes.Clone(text), at, at+1)
		case "insert":
			bad = slices.Insert(bytes.Clone(text), at, b)
		case "cut":
			bad = text[:at]
		case "swap":
			lines[i], lines[j] = lines[j], lines[i]
			bad = bytes.Join(lines, nil)
		case "double":
			bad = bytes.Join(slices.Insert(lines, i, lines[j]), nil)
		case "drop":
			bad = bytes.Join(slices.Delete(lines, i, i+1), nil)
		}
		if forgiven := sameButLineEnds(bad, text); forgiven != (parseErr(bad) == nil) {
			t.Fatalf("forgivable: %v, error: %v, card:\n%q", forgiven, parseErr(bad), bad)
		}
	})
}

func parseErr(b []byte) error {
	_, err := ParseCard(b)
	return err
}

// sameButLineEnds compares lines, written apart from how ParseCard does it.
func sameButLineEnds(a, b []byte) bool {
	split := func(text []byte) []string {
		lines := strings.Split(string(text), "\n")
		for i := range lines[:len(lines)-1] {
			lines[i] = strings.TrimSuffix(lines[i], "\r")
		}
		for len(lines) > 0 && lines[0] == "" {
			lines = lines[1:]
		}
		for len(lines) > 0 && lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		return lines
	}
	return slices.Equal(split(a), split(b))
}

// TestForgedCard has right checksums and fingerprints, and contents that
// cannot be used.
func TestForgedCard(t *testing.T) {
	good, err := ParseCard(goldenCards(t)["x25519"])
	if err != nil {
		t.Fatal(err)
	}
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	zeros := strings.Repeat("00", 31)
	forge := func(change func(*Card)) []byte {
		c := good
		change(&c)
		return c.Marshal()
	}
	if parseErr(forge(func(*Card) {})) != nil {
		t.Fatal("the card is refused unchanged")
	}
	for name, c := range map[string]struct {
		text []byte
		say  string
	}{
		"name":              {forge(func(c *Card) { c.Name = "Kisumu" }), "lower-case"},
		"device":            {forge(func(c *Card) { c.Name = "nul" }), "windows"},
		"second line":       {forge(func(c *Card) { c.Name = "hub\nname: kisumu" }), "not as omsync writes it"},
		"no recipient":      {forge(func(c *Card) { c.Recipient = "" }), "age1"},
		"plugin recipient":  {forge(func(c *Card) { c.Recipient = "age1yubikey1qwerty" }), "no age public key"},
		"upper case":        {forge(func(c *Card) { c.Recipient = strings.ToUpper(c.Recipient) }), "age1"},
		"secret key":        {forge(func(c *Card) { c.Recipient = "AGE-SECRET-KEY-1QQQQ" }), "age1"},
		"zero recipient":    {forge(func(c *Card) { c.Recipient = zeroRecipient }), "nothing can be encrypted"},
		"short verify key":  {forge(func(c *Card) { c.Verify = c.Verify[:31] }), "32"},
		"no verify key":     {forge(func(c *Card) { c.Verify = nil }), "32"},
		"small order: zero": {forge(func(c *Card) { c.Verify = unhex(zeros + "00") }), "worthless"},
		"small order: one":  {forge(func(c *Card) { c.Verify = unhex("01" + zeros) }), "worthless"},
		"small order: 8": {forge(func(c *Card) {
			c.Verify = unhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
		}), "worthless"},
		"one, not canonical": {forge(func(c *Card) { c.Verify = unhex("ee" + strings.Repeat("ff", 30) + "7f") }), "no Ed25519 key"},
		"not on the curve":   {forge(func(c *Card) { c.Verify = unhex("02" + zeros) }), "no Ed25519 key"},
		"version":            {bytes.Replace(good.Marshal(), []byte("card 1"), []byte("card 2"), 1), "update omsync"},
		"byte order mark":    {append([]byte("\xef\xbb\xbf"), good.Marshal()...), "byte order mark"},
		"space after":        {append(good.Marshal(), ' ', '\n'), "damaged"},
		"space before":       {append([]byte(" \n"), good.Marshal()...), "not a card"},
		"line end of CR":     {bytes.Replace(good.Marshal(), []byte("\nverify"), []byte("\rverify"), 1), "damaged"},
		"CR after":           {append(good.Marshal(), '\r'), "damaged"},
		"other file":         {[]byte("PK\x03\x04"), "not a card"},
		"empty":              {nil, "not a card"},
		"cut":                {good.Marshal()[:150], "cut short"},
		"damaged":            {bytes.Replace(good.Marshal(), []byte("kisumu"), []byte("kisuma"), 1), "damaged"},
		"too long":           {append(good.Marshal(), bytes.Repeat([]byte("\n"), MaxCard)...), "16384"},
		"wrong fingerprint":  {withChecksum(bytes.Replace(good.Marshal(), []byte("41032-"), []byte("41033-"), 1)), "not as omsync writes it"},
		"other order":        {withChecksum(swapLines(good.Marshal(), 1, 2)), "not as omsync writes it"},
		"unknown line":       {withChecksum(bytes.Replace(good.Marshal(), []byte("verify: "), []byte("note: hi\nverify: "), 1)), "not as omsync writes it"},
		"other line breaks":  {withChecksum(bytes.Replace(good.Marshal(), []byte("recipient: age"), []byte("recipient: age\nrecipient: "), 1)), "not as omsync writes it"},
	} {
		_, err := ParseCard(c.text)
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.say)
		}
	}
}

// zeroRecipient is the X25519 point 0, of small order.
const zeroRecipient = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z"

func withChecksum(text []byte) []byte {
	at := bytes.Index(text, []byte(checksumPrefix))
	return slices.Concat(text[:at], []byte(checksumPrefix+checksum(text[:at])+"\n"))
}

func swapLines(text []byte, i, j int) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	lines[i], lines[j] = lines[j], lines[i]
	return bytes.Join(lines, nil)
}

func FuzzParseCard(f *testing.F) {
	for _, text := range goldenCards(f) {
		f.Add(text)
		f.Add(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	}
	// The fuzzer cannot find a checksum, so the second way in makes it right.
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, text := range [][]byte{b, mendChecksum(b)} {
			c, err := ParseCard(text)
			if err != nil {
				continue
			}
			if !sameButLineEnds(c.Marshal(), text) {
				t.Fatalf("another spelling was taken:\n%q\nis written\n%q", text, c.Marshal())
			}
			if len(c.Verify) != ed25519.PublicKeySize || ValidName(c.Name) != nil {
				t.Fatalf("unusable card taken: %+v", c)
			}
		}
	})
}

func mendChecksum(b []byte) []byte {
	text := plainLines(b)
	if at := bytes.LastIndex(text, []byte("\n"+checksumPrefix)); at >= 0 {
		return withChecksum(slices.Concat(text[:at+1], []byte(checksumPrefix)))
	}
	return text
}
