package remote

import (
	"net/http"
	"testing"
)

func TestAddress(t *testing.T) {
	for _, c := range [][3]string{
		{"10.0.0.1:5", "", "10.0.0.1"},
		{"10.0.0.1:5", "1.2.3.4", "10.0.0.1"}, // anybody can say so
		{"127.0.0.1:5", "6.6.6.6, 1.2.3.4", "1.2.3.4"},
		{"127.0.0.1:5", "garbage", "127.0.0.1"},
		{"[::1]:5", "2001:db8::1", "2001:db8::1"},
	} {
		r := &http.Request{RemoteAddr: c[0], Header: http.Header{}}
		if c[1] != "" {
			r.Header.Set("X-Forwarded-For", c[1])
		}
		if got := Address(r); got != c[2] {
			t.Errorf("%q: %s", c, got)
		}
	}
}
