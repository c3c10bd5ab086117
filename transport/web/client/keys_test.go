package client_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"

	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/webtest"
)

// A node whose hub knows it by another of its keys finds that one, and goes on with it; also when the hub changes to another meanwhile.
func TestOtherKeys(t *testing.T) {
	h := webtest.NewHub(t, nil)
	signed := map[byte]int{}
	key := func(n byte) func(msg []byte) ([]byte, error) {
		k := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
		if n == 2 {
			h.Keys["kisumu"] = k
		}
		return func(msg []byte) ([]byte, error) {
			signed[n]++
			return ed25519.Sign(k, msg), nil
		}
	}
	c := h.Client("kisumu", func(o *client.Options) {
		o.Sign, o.SignElse = key(1), []func(msg []byte) ([]byte, error){key(2), key(3)}
	})
	put := func(name string) error {
		return c.Put(t.Context(), name, bytes.NewReader([]byte("rows")), 4, nil)
	}
	if err := put("kisumu-to-hub-1.omsync"); err != nil {
		t.Fatal(err)
	}
	if err := put("kisumu-to-hub-2.omsync"); err != nil {
		t.Fatal(err)
	}
	if signed[1] != 1 || signed[2] < 2 || signed[3] != 0 {
		t.Errorf("signatures by key: %v", signed)
	}
	h.Keys["kisumu"] = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	if err := put("kisumu-to-hub-3.omsync"); err != nil {
		t.Fatal(err)
	}
	h.Keys["kisumu"] = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize))
	clear(signed)
	p := (*web.Problem)(nil)
	if err := put("kisumu-to-hub-4.omsync"); !errors.As(err, &p) || p.Type != web.TypeSignature {
		t.Errorf("with none of the keys: %v", err)
	}
	if signed[1] != 1 || signed[2] != 1 || signed[3] != 1 {
		t.Errorf("signatures by key: %v", signed)
	}
}
