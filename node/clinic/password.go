package clinic

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
)

// MakePassword returns a password of 16 letters and digits that nobody confuses: some 90 bits.
func MakePassword() (string, error) {
	const signs = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	for {
		var b strings.Builder
		for range 16 {
			i, err := rand.Int(rand.Reader, big.NewInt(int64(len(signs))))
			if err != nil {
				return "", err
			}
			b.WriteByte(signs[i.Int64()])
		}
		if CheckPassword(b.String()) == nil {
			return b.String(), nil
		}
	}
}

// CheckPassword returns an error for a password that OpenMRS, as it is set at first, would not let anybody choose.
func CheckPassword(password string) error {
	const lower, upper, digit = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	if len(password) < 8 || !strings.ContainsAny(password, lower) || !strings.ContainsAny(password, upper) || !strings.ContainsAny(password, digit) {
		return errors.New("a password needs eight characters, with a small letter, a capital letter and a digit")
	}
	return nil
}

// hash returns a password as OpenMRS stores it, with a new salt. All versions take it; from 2.8 on OpenMRS replaces it at the first login.
// Source: openmrs/openmrs-core, org.openmrs.util.Security (encodeString, passwordMatches).
func hash(password string) (hashed, salt string) {
	var random [64]byte
	rand.Read(random[:])
	salt = hex.EncodeToString(random[:])
	return hashWith(password, salt), salt
}

func hashWith(password, salt string) string {
	sum := sha512.Sum512([]byte(password + salt))
	return hex.EncodeToString(sum[:])
}
