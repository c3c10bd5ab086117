package server

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

func TestRemote(t *testing.T) {
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
		if got := remoteAddress(r); got != c[2] {
			t.Errorf("%q: %s", c, got)
		}
	}
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
