package web

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
	m := message{method: "POST", path: "/foo", query: "param=Value&Pet=dog", authority: "example.com", length: 18, header: http.Header{
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
		if got, _ := (message{query: query}).component("@query"); got != want {
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

func patchMessage() message {
	return message{method: "PATCH", path: "/v1/uploads/x", query: "a=b", length: 7, header: http.Header{
		"Omsync-To": {"hub"}, "Upload-Offset": {"5"}, "Content-Digest": {"sha-256=:x:"}, "User-Agent": {"any"}}}
}

// Whatever is signed cannot be changed, left out or added to.
func TestSignedIsWhatCounts(t *testing.T) {
	changes := map[string]func(m *message){
		"method":        func(m *message) { m.method = "POST" },
		"path":          func(m *message) { m.path = "/v1/uploads/y" },
		"query":         func(m *message) { m.query = "" },
		"length":        func(m *message) { m.length = 8 },
		"to":            func(m *message) { m.header.Set("Omsync-To", "migori") },
		"offset":        func(m *message) { m.header.Set("Upload-Offset", "6") },
		"digest":        func(m *message) { m.header.Set("Content-Digest", "sha-256=:y:") },
		"offset gone":   func(m *message) { m.header.Del("Upload-Offset") },
		"digest gone":   func(m *message) { m.header.Del("Content-Digest") },
		"range":         func(m *message) { m.header.Set("Range", "bytes=5-") },
		"metadata":      func(m *message) { m.header.Set("Upload-Metadata", "x") },
		"upload length": func(m *message) { m.header.Set("Upload-Length", "9") },
		"twice":         func(m *message) { m.header.Add("Upload-Offset", "5") },
		"key":           func(m *message) { replace(m, "Signature-Input", `"kisumu"`, `"migori"`) },
		"created":       func(m *message) { replace(m, "Signature-Input", "created=1", "created=2") },
		"component":     func(m *message) { replace(m, "Signature-Input", ` "upload-offset"`, "") },
		"order":         func(m *message) { replace(m, "Signature-Input", `"@method" "@path"`, `"@path" "@method"`) },
		"tag":           func(m *message) { replace(m, "Signature-Input", `omsync-1`, `omsync-2`) },
		"other bytes":   func(m *message) { replace(m, "Signature", "omsync=:", "omsync=:AAAA") },
		"no signature":  func(m *message) { m.header.Del("Signature") },
		"parameters":    func(m *message) { replace(m, "Signature-Input", `"@path"`, `"@path";req`) },
	}
	check := func(m message) error {
		sig, err := parseSignature(m.header)
		if err != nil {
			return err
		}
		return sig.verify(m, testVerify)
	}
	for name, change := range changes {
		m := patchMessage()
		if err := m.sign("kisumu", time.Unix(1700000000, 0), testSign); err != nil {
			t.Fatal(err)
		}
		m.header.Set("User-Agent", "another")
		if err := check(m); err != nil {
			t.Fatal(err)
		}
		change(&m)
		if err := check(m); err == nil {
			t.Errorf("%s: the change is not seen", name)
		}
	}
}

func replace(m *message, header, old, with string) {
	v := m.header.Get(header)
	if !strings.Contains(v, old) {
		panic(header + " has no " + old + ": " + v)
	}
	m.header.Set(header, strings.Replace(v, old, with, 1))
}

func TestNonces(t *testing.T) {
	var n nonces
	at := time.Unix(1700000000, 0)
	nonce := func(i int) [16]byte { return [16]byte{byte(i), byte(i >> 8), byte(i >> 16)} }
	use := func(node string, i int, want bool) {
		t.Helper()
		if fresh, _ := n.use(node, nonce(i), at); fresh != want {
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
	for i := range maxNonces {
		n.use("e", nonce(i), at)
	}
	if fresh, many := n.use("e", nonce(maxNonces), at); fresh || !many {
		t.Errorf("more than the most: %t, %t", fresh, many)
	}
	use("f", 1, true) // others are not held up
}

func FuzzSignatureInput(f *testing.F) {
	m := patchMessage()
	m.sign("kisumu", time.Unix(1700000000, 0), testSign)
	f.Add(m.header.Get("Signature-Input"), m.header.Get("Signature"))
	f.Add(`omsync=("@method";req);created=1;keyid="a";nonce="AAAAAAAAAAAAAAAAAAAAAA";tag="omsync-1"`, "omsync=:AAAA:")
	f.Add(`a=();tag="omsync-1", b=();tag="omsync-1"`, "a=:AA==:")
	f.Add(`omsync=?1;tag="omsync-1"`, `omsync="x"`)
	f.Fuzz(func(t *testing.T, input, sig string) {
		m := patchMessage()
		m.header.Set("Signature-Input", input)
		m.header.Set("Signature", sig)
		s, err := parseSignature(m.header)
		if err != nil {
			return
		}
		if s.verify(m, testVerify) != nil {
			return
		}
		for _, name := range m.required() { // then all of it is covered
			if !strings.Contains(input, name) {
				t.Errorf("%s is not covered", name)
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add("filename YS5vbXN5bmM=,digest AAAA")
	f.Add("a, b ,c")
	f.Add("a YQ,a YQ")
	f.Fuzz(func(t *testing.T, text string) {
		meta, err := parseMetadata(text)
		if err != nil {
			return
		}
		var parts []string
		for k, v := range meta {
			if k == "" || strings.ContainsAny(k, ", ") {
				t.Errorf("key %q", k)
			}
			parts = append(parts, k+" "+base64.StdEncoding.EncodeToString([]byte(v)))
		}
		again, err := parseMetadata(strings.Join(parts, ","))
		if err != nil || len(again) != len(meta) {
			t.Errorf("%q reads as %v, and then %v, %v", text, meta, again, err)
		}
		for k, v := range meta {
			if again[k] != v {
				t.Errorf("%q: %q", k, again[k])
			}
		}
	})
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 5-9/10")
	f.Add("bytes */10")
	f.Fuzz(func(t *testing.T, text string) {
		if start, total, ok := contentRange(text); ok && (start < 0 || start > total) {
			t.Errorf("%q: %d of %d", text, start, total)
		}
	})
}
