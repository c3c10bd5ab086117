package keys

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"pgregory.net/rapid"
)

func TestEncryptDecrypt(t *testing.T) {
	for _, kind := range []Kind{Hybrid, X25519} {
		id, _ := newIdentity(t, "hub", kind)
		card, err := ParseCard(id.Card().Marshal())
		if err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(t *rapid.T) {
			// Around the chunks of 64 KiB, and small.
			size := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(65530, 65540), rapid.IntRange(131070, 131074)).Draw(t, "size")
			plain := bytes.Repeat([]byte{byte(size), 1, 2}, size/3+1)[:size]
			got, err := decrypt(id, bytes.NewReader(encrypt(t, card, plain)))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, plain) {
				t.Fatal("something else came out")
			}
		})
	}
}

func TestDecryptDamaged(t *testing.T) {
	plain := bytes.Repeat([]byte("obs"), 30_000) // two chunks
	for _, kind := range []Kind{Hybrid, X25519} {
		id, _ := newIdentity(t, "hub", kind)
		sealed := encrypt(t, id.Card(), plain)
		rapid.Check(t, func(t *rapid.T) {
			at := rapid.OneOf(rapid.IntRange(0, 2000), rapid.IntRange(0, len(sealed)-1)).Draw(t, "at")
			var bad []byte
			switch rapid.SampledFrom([]string{"flip", "cut", "add"}).Draw(t, "how") {
			case "flip":
				bad = bytes.Clone(sealed)
				bad[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			case "cut":
				bad = sealed[:at]
			case "add":
				bad = append(bytes.Clone(sealed), sealed[at])
			}
			got, err := decrypt(id, bytes.NewReader(bad))
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotForUs) {
				t.Fatalf("error %v", err)
			}
			if !bytes.HasPrefix(plain, got) {
				t.Fatal("gave data that was not encrypted")
			}
			if strings.Contains(err.Error(), "failed to") {
				t.Fatal(err)
			}
		})
	}
}

func TestDecryptForOthers(t *testing.T) {
	hybrid, _ := newIdentity(t, "hub", Hybrid)
	classic, _ := newIdentity(t, "hub", X25519)
	for _, kind := range []Kind{Hybrid, X25519} {
		other, _ := newIdentity(t, "hub", kind)
		sealed := encrypt(t, other.Card(), []byte("obs"))
		for _, id := range []*Identity{hybrid, classic} {
			if _, err := decrypt(id, bytes.NewReader(sealed)); !errors.Is(err, ErrNotForUs) {
				t.Errorf("to %s: error %v", kind, err)
			}
		}
	}
	var sealed bytes.Buffer
	passphrase, err := age.NewScryptRecipient("secret")
	if err != nil {
		t.Fatal(err)
	}
	passphrase.SetWorkFactor(1)
	w, err := age.Encrypt(&sealed, passphrase)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decrypt(hybrid, &sealed); !errors.Is(err, ErrNotForUs) {
		t.Errorf("to a passphrase: error %v", err)
	}
}

// TestCryptSaysWhatTheDiskSaid: a broken stick is not a damaged file.
func TestCryptSaysWhatTheDiskSaid(t *testing.T) {
	id, _ := newIdentity(t, "hub", X25519)
	broken := errors.New("stick pulled out")
	sealed := encrypt(t, id.Card(), bytes.Repeat([]byte("obs"), 50_000))
	for _, n := range []int{0, 10, 150, 220, 1000, 70_000, len(sealed)} {
		r := io.MultiReader(bytes.NewReader(sealed[:n]), iotest.ErrReader(broken))
		if _, err := decrypt(id, r); !errors.Is(err, broken) {
			t.Errorf("read broken at %d: %v", n, err)
		}
	}
	for _, room := range []int{0, 10, 190, 70_000, len(sealed) - 1} {
		w, err := id.Card().Encrypt(&fullWriter{room, broken})
		if err == nil {
			_, err = w.Write(make([]byte, 150_000))
			if err == nil {
				err = w.Close()
			}
		}
		if !errors.Is(err, broken) {
			t.Errorf("disk full at %d: %v", room, err)
		}
	}
}

type fullWriter struct {
	room int
	err  error
}

func (w *fullWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.room)
	w.room -= n
	if n < len(p) {
		return n, w.err
	}
	return n, nil
}

func TestEncryptToUselessCard(t *testing.T) {
	for _, recipient := range []string{"", "age1", "age1pq1qqqq", zeroRecipient, strings.Repeat("x", 100)} {
		if _, err := (Card{Name: "hub", Recipient: recipient}).Encrypt(io.Discard); err == nil {
			t.Errorf("encrypted to %q", recipient)
		}
	}
}
