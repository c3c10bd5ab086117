// Package web moves batch files between a clinic and a hub over HTTP: [Client] is the clinic's side, a transport.Store;
// [Server] is the hub's, an http.Handler.
//
// It promises that an upload or download goes on at the byte where it broke, also after a restart of either side; that
// every request, but those to join and to ask for the server's health, is signed by a node's key and counts once; that a
// node sees only its own mail; and that nothing is stored which was not verified. It never looks into a batch.
//
// Uploads follow the tus protocol 1.0.0, core and creation (https://tus.io/protocols/resumable-upload); signatures RFC
// 9421 with Ed25519; errors RFC 9457, see [Problem].
//
// Nonces are kept in memory only. A request that was signed before the server started is refused, so that none can be
// sent a second time after a restart. What is left is a request of a node whose clock runs ahead, until the time that it
// was signed for; that does no harm: what requests ask for is the same however often it is done.
package web
