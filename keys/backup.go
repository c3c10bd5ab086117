package keys

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"filippo.io/age"
)

// MinPassphrase is the fewest characters of a passphrase that [EncryptWith] takes: whoever finds the file may try for years.
const MinPassphrase = 12

// workFactor is the base-2 logarithm of scrypt's cost: a second of time and 256 MiB of memory. A file that asks for more is refused.
const workFactor = 18

var (
	// ErrPassphrase means that an age file was not made with this passphrase.
	ErrPassphrase = errors.New("the passphrase is another one, or the file was encrypted to a card and needs that node's identity file")
	// ErrOtherIdentity means that an age file was not encrypted to this identity.
	ErrOtherIdentity = errors.New("the file was encrypted to another card, or with a passphrase")
)

// CheckPassphrase returns an error for a passphrase that [EncryptWith] does not take.
func CheckPassphrase(passphrase string) error {
	if utf8.RuneCountInString(passphrase) < MinPassphrase {
		return fmt.Errorf("a passphrase of fewer than %d characters can be guessed: take five words or more that nobody else would choose", MinPassphrase)
	}
	return nil
}

// EncryptWith starts an age file that opens with a passphrase. See [Card.Encrypt].
func EncryptWith(passphrase string, w io.Writer) (io.WriteCloser, error) {
	return encryptWith(passphrase, workFactor, w)
}

func encryptWith(passphrase string, factor int, w io.Writer) (io.WriteCloser, error) {
	if err := CheckPassphrase(passphrase); err != nil {
		return nil, err
	}
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("encrypt with a passphrase: %w", err)
	}
	r.SetWorkFactor(factor)
	return startAge(w, "a passphrase", r)
}

// DecryptWith opens an age file that [EncryptWith] made. Errors, here or from Read: [ErrPassphrase], [ErrDamaged], or what r returned. See
// [Identity.Decrypt].
func DecryptWith(passphrase string, r io.Reader) (io.Reader, error) {
	return decryptWith(passphrase, workFactor, r)
}

func decryptWith(passphrase string, most int, r io.Reader) (io.Reader, error) {
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("decrypt with a passphrase: %w", err)
	}
	id.SetMaxWorkFactor(most)
	return openAge(r, ErrPassphrase, id)
}

// DecryptBy opens an age file that was encrypted to the identity in a file, which must be private to its owner: that of a node (see
// [Files]), or one of age-keygen. Errors: [ErrPermissions], [ErrOtherIdentity], [ErrDamaged], or what r returned.
func DecryptBy(path string, r io.Reader) (io.Reader, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("read the identity: %w", err)
	}
	id, _, err := parseIdentityText(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return openAge(r, ErrOtherIdentity, id.Identity)
}
