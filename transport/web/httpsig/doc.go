// Package httpsig signs HTTP requests and checks their signatures: RFC 9421 with Ed25519, in the one way that omsync uses it.
//
// It promises that a request whose signature is good has the method, path, query, receiver, length of body and every other
// field that the server acts on as the signer had them ([Message.Required]); and, together with [Nonces], that it counts once.
// What a signature has beyond that (components and parameters that are not known here) makes it bad.
//
// The private key stays with the caller, who signs and verifies texts: see [Message.Sign] and [Signature.Verify].
package httpsig
