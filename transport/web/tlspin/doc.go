// Package tlspin lets nodes trust a hub's own certificate: [Certificate] makes it, [Of] names its key by a pin, which
// invitations carry, and [ClientConfig] trusts the key with that pin and no other.
package tlspin
