// Package enrol lets a node join a hub over a link that nobody needs to trust: they exchange their cards once, by a token
// that the hub's people made and handed to the node's people.
//
// It promises that neither side takes another card than the one that the other side sent, even without TLS, as long as
// nobody else has the token; that the joining node has the signing key of its card; that a token lets one card in and no
// second one; and that the same card may repeat the exchange until the token expires, because the answer may have been
// lost on its way, and gets the same answer. The hub's clock alone judges what has expired.
//
// The package makes and reads the bytes of a request and of its reply. What carries them is the caller's business.
//
// # Token
//
// A token is "omsync-" and the base64url (RFC 4648 section 5, unpadded) of
//
//	version   1 byte    1
//	flags     1 byte    1: pin follows; 2: the joining node will be the parent
//	secret    16 bytes  random
//	card      16 bytes  the first of the SHA-256 of the hub's card
//	pin       32 bytes  SHA-256 that pins the hub's TLS certificate; only with flag 1
//	checksum  4 bytes   the first of the SHA-256 of all before; in every version, at the end
//
// From the secret come the invitation's id (the first 8 bytes, in hexadecimal, of HMAC-SHA256 with the secret as the key
// over "omsync join id 1\n") and its key (HMAC-SHA256 over "omsync join key 1\n"). The hub keeps these two; the secret
// stays in the token and is never sent with a request.
//
// # Request and reply
//
// Both are JSON in one spelling: the bytes that this package writes, without blanks, and no others.
//
//	{"omsync_join":1,"invitation":"5f0c…","card":"omsync card 1\n…","mac":"…","signature":"…"}
//	{"omsync_joined":1,"card":"omsync card 1\n…","mac":"…"}
//
// A message to be authenticated is a line of its own kind and then fields, each after its length as 4 bytes, big-endian:
//
//	mac        HMAC-SHA256  "omsync join 1\n", id, the token's 16 bytes of the hub's card, the node's card
//	signature  Ed25519      "omsync join signature 1\n", id, the node's card, mac
//	mac, reply HMAC-SHA256  "omsync join reply 1\n", id, the hub's card, the node's card
//
// # Open registration
//
// A hub for trials may take requests without a token. They have neither invitation nor mac, and their signature is over
// "omsync join open 1\n" and the card, so none passes for the other. Such a request proves that its maker once asked
// some hub, and nothing else. The reply's mac has an empty key: it notices answers to other requests, and no fraud.
package enrol
