// Package web and those below it move batch files between a node and a hub over HTTP. docs/http.md has the protocol.
//
// Together they promise that an upload or download goes on at the byte where it broke, also after a restart of either side;
// that every request, but those to join and to ask for the server's health, is signed by a node's key and counts once; that a
// node sees only its own mail; and that nothing is stored which was not verified. They never look into a batch.
//
// This package is what both ends must agree on: paths, headers, limits, [Problem], [Receipt] and [FileDigest]. Beside it:
//
//   - httpsig signs requests and checks signatures: RFC 9421 with Ed25519.
//   - tlspin is the certificate of a hub that nobody vouches for, and the client's trust in its key alone.
//   - client is the node's side, a transport.Store.
//   - server is the hub's side, an http.Handler.
//   - upload keeps, for the server, what has come of files that are not complete.
//   - webtest is a hub for tests.
//
// client and server do not know each other; both import this package and httpsig.
package web
