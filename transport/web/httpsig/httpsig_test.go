package httpsig

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
)

// RFC 9421, B.2.6, with the key of B.1.4.
func TestSignatureOfTheRFC(t *testing.T) {
	seed, _ := base64.RawURLEncoding.DecodeString("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU")
	key := ed25519.NewKeyFromSeed(seed)
	m := Message{Method: "POST", Path: "/foo", Query: "param=Value&Pet=dog", Authority: "example.com", Length: 18, Header: http.Header{
		"Date": {"Tue, 20 Apr 2021 02:07:55 GMT"}, "Content-Type": {"application/json"}}}
	d, err := httpsfv.UnmarshalDictionary([]string{`sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")` +
		`;created=1618884473;keyid="test-key-ed25519"`})
	if err != nil {
		t.Fatal(err)
	}
	list, _ := d.Get("sig-b26")
	base, err := m.base(list.(httpsfv.InnerList))
	if err != nil {
		t.Fatal(err)
	}
	want := `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`
	if base != want {
		t.Errorf("base:\n%s\nwant:\n%s", base, want)
	}
	sig := base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(base)))
	if sig != "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==" {
		t.Errorf("signature %s", sig)
	}
}

func TestQueryOfTheRFC(t *testing.T) { // section 2.2.7
	for query, want := range map[string]string{"": "?", "param=value&foo=bar&baz=bat%2Dman": "?param=value&foo=bar&baz=bat%2Dman"} {
		if got, _ := (Message{Query: query}).component("@query"); got != want {
			t.Errorf("%q: %q", query, got)
		}
	}
}

var testKey = ed25519.NewKeyFromSeed(make([]byte, 32))

func testSign(msg []byte) ([]byte, error) { return ed25519.Sign(testKey, msg), nil }

func testVerify(msg, sig []byte) error {
	if !ed25519.Verify(testKey.Public().(ed25519.PublicKey), msg, sig) {
		return errors.New("wrong")
	}
	return nil
}

func patchMessage() Message {
	return Message{Method: "PATCH", Path: "/v1/uploads/x", Query: "a=b", Length: 7, Header: http.Header{
		"Omsync-To": {"hub"}, "Upload-Offset": {"5"}, "Content-Digest": {"sha-256=:x:"}, "User-Agent": {"any"}}}
}

// Whatever is signed cannot be changed, left out or added to.
func TestSignedIsWhatCounts(t *testing.T) {
	changes := map[string]func(m *Message){
		"method":        func(m *Message) { m.Method = "POST" },
		"path":          func(m *Message) { m.Path = "/v1/uploads/y" },
		"query":         func(m *Message) { m.Query = "" },
		"length":        func(m *Message) { m.Length = 8 },
		"to":            func(m *Message) { m.Header.Set("Omsync-To", "migori") },
		"offset":        func(m *Message) { m.Header.Set("Upload-Offset", "6") },
		"digest":        func(m *Message) { m.Header.Set("Content-Digest", "sha-256=:y:") },
		"offset gone":   func(m *Message) { m.Header.Del("Upload-Offset") },
		"digest gone":   func(m *Message) { m.Header.Del("Content-Digest") },
		"range":         func(m *Message) { m.Header.Set("Range", "bytes=5-") },
		"metadata":      func(m *Message) { m.Header.Set("Upload-Metadata", "x") },
		"upload length": func(m *Message) { m.Header.Set("Upload-Length", "9") },
		"twice":         func(m *Message) { m.Header.Add("Upload-Offset", "5") },
		"key":           func(m *Message) { replace(m, "Signature-Input", `"kisumu"`, `"migori"`) },
		"created":       func(m *Message) { replace(m, "Signature-Input", "created=1", "created=2") },
		"component":     func(m *Message) { replace(m, "Signature-Input", ` "upload-offset"`, "") },
		"order":         func(m *Message) { replace(m, "Signature-Input", `"@method" "@path"`, `"@path" "@method"`) },
		"tag":           func(m *Message) { replace(m, "Signature-Input", `omsync-1`, `omsync-2`) },
		"other bytes":   func(m *Message) { replace(m, "Signature", "omsync=:", "omsync=:AAAA") },
		"no signature":  func(m *Message) { m.Header.Del("Signature") },
		"parameters":    func(m *Message) { replace(m, "Signature-Input", `"@path"`, `"@path";req`) },
	}
	check := func(m Message) error {
		sig, err := Parse(m.Header)
		if err != nil {
			return err
		}
		return sig.Verify(m, testVerify)
	}
	for name, change := range changes {
		m := patchMessage()
		if err := m.Sign("kisumu", time.Unix(1700000000, 0), testSign); err != nil {
			t.Fatal(err)
		}
		m.Header.Set("User-Agent", "another")
		if err := check(m); err != nil {
			t.Fatal(err)
		}
		change(&m)
		if err := check(m); err == nil {
			t.Errorf("%s: the change is not seen", name)
		}
	}
}

func replace(m *Message, header, old, with string) {
	v := m.Header.Get(header)
	if !strings.Contains(v, old) {
		panic(header + " has no " + old + ": " + v)
	}
	m.Header.Set(header, strings.Replace(v, old, with, 1))
}

func TestNonces(t *testing.T) {
	var n Nonces
	at := time.Unix(1700000000, 0)
	nonce := func(i int) [16]byte { return [16]byte{byte(i), byte(i >> 8), byte(i >> 16)} }
	use := func(node string, i int, want bool) {
		t.Helper()
		if fresh, _ := n.Use(node, nonce(i), at); fresh != want {
			t.Errorf("%s %d at %v: %t", node, i, at, fresh)
		}
	}
	use("a", 1, true)
	use("a", 1, false)
	use("b", 1, true)
	at = at.Add(nonceLife - time.Second)
	use("a", 2, true)
	for range 3 {
		at = at.Add(nonceLife/3 - time.Second)
		use("a", 2, false)
	}
	for range 50 { // forgotten some time
		at = at.Add(nonceLife)
		use("c", 7, true)
		at = at.Add(nonceLife)
		use("d", 7, true)
	}
	if len(n.now)+len(n.old) > 2 {
		t.Errorf("%d and %d nodes are remembered", len(n.now), len(n.old))
	}
	for i := range MaxNonces {
		n.Use("e", nonce(i), at)
	}
	if fresh, many := n.Use("e", nonce(MaxNonces), at); fresh || !many {
		t.Errorf("more than the most: %t, %t", fresh, many)
	}
	use("f", 1, true) // others are not held up
}

func FuzzSignatureInput(f *testing.F) {
	m := patchMessage()
	m.Sign("kisumu", time.Unix(1700000000, 0), testSign)
	f.Add(m.Header.Get("Signature-Input"), m.Header.Get("Signature"))
	f.Add(`omsync=("@method";req);created=1;keyid="a";nonce="AAAAAAAAAAAAAAAAAAAAAA";tag="omsync-1"`, "omsync=:AAAA:")
	f.Add(`a=();tag="omsync-1", b=();tag="omsync-1"`, "a=:AA==:")
	f.Add(`omsync=?1;tag="omsync-1"`, `omsync="x"`)
	f.Fuzz(func(t *testing.T, input, sig string) {
		m := patchMessage()
		m.Header.Set("Signature-Input", input)
		m.Header.Set("Signature", sig)
		s, err := Parse(m.Header)
		if err != nil {
			return
		}
		if s.Verify(m, testVerify) != nil {
			return
		}
		for _, name := range m.Required() { // then all of it is covered
			if !strings.Contains(input, name) {
				t.Errorf("%s is not covered", name)
			}
		}
	})
}
