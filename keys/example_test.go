package keys_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/omsync/omsync/keys"
)

// Two nodes make their keys; one encrypts and signs a message to the other.
func Example() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	hub, err := keys.Create(dir, "hub", keys.X25519)
	if err != nil {
		log.Fatal(err)
	}
	kisumu, err := keys.Create(dir, "kisumu", keys.X25519)
	if err != nil {
		log.Fatal(err)
	}

	// The hub has kisumu's card, and kisumu the hub's: as files that they exchanged.
	card, err := keys.ParseCard(kisumu.Card().Marshal())
	if err != nil {
		log.Fatal(err)
	}
	var sealed bytes.Buffer
	w, err := card.Encrypt(&sealed)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(w, "36.6"); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	signature, err := hub.Sign(sealed.Bytes())
	if err != nil {
		log.Fatal(err)
	}

	// kisumu checks who sent it before it opens it.
	if err := hub.Card().VerifySignature(sealed.Bytes(), signature); err != nil {
		log.Fatal(err)
	}
	r, err := kisumu.Decrypt(&sealed)
	if err != nil {
		log.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("from %s: %s\n", hub.Card().Name, plain)
	// Output:
	// from hub: 36.6
}

// People read fingerprints to each other, or type them from paper.
func ExampleSameFingerprint() {
	fmt.Println(keys.SameFingerprint("01191-73725-20842-69329-21234-01080-48951", "01191 73725 20842 69329 21234 01080 48951"))
	fmt.Println(keys.SameFingerprint("01191-73725-20842-69329-21234-01080-48951", "01191-73725-20842-69329-21234-01080-48952"))
	// Output:
	// true
	// false
}

func ExampleValidName() {
	fmt.Println(keys.ValidName("kisumu"))
	fmt.Println(keys.ValidName("Kisumu"))
	// Output:
	// <nil>
	// node name "Kisumu": use lower-case letters, digits and dashes, and no dash in front
}
