// Package keys holds what a node is known by: an age identity, to which others
// encrypt, and an Ed25519 key, with which it signs.
//
// It promises that private keys are written once, readable by their owner
// alone, as a pair or not at all; that a pair which is incomplete, mixed up or
// readable by others is refused with a word on what to do; and that no private
// key leaves the package: callers ask for a signature or a decryption.
//
// # Files
//
// A node's folder holds two files, named after the node (see [Files]):
//
//   - NAME.identity.age.txt: an age identity file, which the age command takes
//     as it is: age -d -i NAME.identity.age.txt. Comment lines name the node
//     and both public keys, which is how [Load] notices files that do not
//     belong together.
//   - NAME.signing.pem: the Ed25519 key as PKCS #8 (RFC 8410) in PEM, which
//     openssl pkey reads.
//
// [Rotate] puts new ones in their place, and keeps the old ones in a folder of
// their own below former-keys. While it is at work, new files are in next-keys.
//
// # Cards
//
// A [Card] is a node's public half as a text of lines ending in LF:
//
//	omsync card 1
//	name: kisumu
//	verify: 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
//	recipient: age1…
//	recipient: …
//	fingerprint: 02134-93842-…
//	checksum: 5f0c…
//
// The verify line is the Ed25519 public key in base64 (RFC 4648, padded). The
// recipient is an age recipient, cut into lines of 64 characters, the last of
// them shorter or as long, since mail programs break long lines. The checksum
// is the first 8 bytes, in hexadecimal, of the SHA-256 of all bytes before its
// line; it catches accidents. Only the fingerprint, compared by voice or on
// paper, tells who made a card.
//
// A card has one spelling. [ParseCard] forgives line ends of CR LF and line
// ends missing or added at the start and end of the text, and nothing else.
package keys
