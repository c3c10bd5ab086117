package keys

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// fingerprintGroups of 5 digits each are 116 bits.
const fingerprintGroups = 7

// Fingerprint returns the card in 35 digits (116 bits), for people to read to each
// other in any language: 7 groups of 5, joined by dashes. It covers the name
// and both keys.
//
// Each group is 4 bytes, big-endian, modulo 100,000, of the SHA-256 of the
// line "omsync fingerprint 1" and then name, recipient and verify key, each
// after its length as 4 bytes, big-endian.
func (c Card) Fingerprint() string {
	h := sha256.New()
	h.Write([]byte("omsync fingerprint 1\n"))
	for _, part := range []string{c.Name, c.Recipient, string(c.Verify)} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	sum := h.Sum(nil)
	groups := make([]string, fingerprintGroups)
	for i := range groups {
		groups[i] = fmt.Sprintf("%05d", binary.BigEndian.Uint32(sum[4*i:])%100_000)
	}
	return strings.Join(groups, "-")
}

// SameFingerprint compares two fingerprints as people type them: case, blanks
// (spaces, tabs, line ends, no-break spaces) and dashes do not count. A
// fingerprint that is empty but for these is the same as nothing, itself included.
func SameFingerprint(a, b string) bool {
	a, b = bareFingerprint(a), bareFingerprint(b)
	return a != "" && a == b
}

func bareFingerprint(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n', '\u00a0', '\u202f',
			'-', '\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2212':
			return -1 // dashes of all kinds: word processors put them in
		}
		return r
	}, s))
}
