package config

import (
	"strings"
	"testing"
)

// Where the page is, and whether what goes there is encrypted.
func TestPage(t *testing.T) {
	for _, c := range []struct {
		text      string
		base      string
		encrypted bool
		err       string
	}{
		{"", "http://127.0.0.1:8480", false, ""},
		{"listen = \"localhost:80\"", "http://localhost:80", false, ""},
		{"listen = \"[::1]:8480\"", "http://[::1]:8480", false, ""},
		{"listen = \":8480\"", "https://localhost:8480", true, ""},
		{"listen = \"0.0.0.0:8480\"", "https://localhost:8480", true, ""},
		{"listen = \"10.1.2.3:8480\"", "https://10.1.2.3:8480", true, ""},
		{"tls_cert = \"a\"\ntls_key = \"b\"", "https://127.0.0.1:8480", true, ""},
		{"behind_proxy = true\nurl = \"https://hub.example.org/\"", "https://hub.example.org", false, ""},
		{"behind_proxy = true\nlisten = \":8480\"", "", false, "behind_proxy is for a reverse proxy on this machine"},
		{"behind_proxy = true\ntls_cert = \"a\"\ntls_key = \"b\"", "", false, "without TLS of its own"},
		{"tls_key = \"b\"", "", false, "belong together"},
		{"listen = \"8480\"", "", false, "write it like 127.0.0.1:8480"},
		{"url = \"hub.example.org\"", "", false, "write it like https://"},
		{"url = \"https://hub.example.org/omsync\"", "", false, "write it like https://"},
	} {
		got := &Config{Home: t.TempDir()}
		err := got.parse([]byte("node = \"hub\"\ndsn = \"u@unix(/s)/db\"\n[page]\n" + c.text))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v", c.text, err)
			}
			continue
		}
		if err != nil || got.Page.Base() != c.base || got.Page.Encrypted() != c.encrypted {
			t.Errorf("%q: %s, encrypted %t, %v", c.text, got.Page.Base(), got.Page.Encrypted(), err)
		}
	}
}
