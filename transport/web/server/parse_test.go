package server

import (
	"encoding/base64"
	"strings"
	"testing"
)

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
