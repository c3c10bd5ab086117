// Package batch reads and writes batch files: what one node sends another.
//
// A batch is a clear header, an encrypted stream of items and a signature over
// both. The package promises that
//
//   - every value comes back byte for byte, whatever hint its column carries;
//   - a reader checks the signature over the whole file before it decrypts a
//     byte, and refuses whatever a writer would not have written: unknown
//     encodings, dangling references, sizes over the limits, a missing end;
//   - memory stays flat: it depends on the largest block, never on the file.
//
// What a later omsync wrote is refused as such, by TooNewError, if the sender's
// signature is good: a header says what its batch needs, and what its sender
// reads, so that nobody need be sent such a file.
//
// Encryption and signing come in as functions, so no keys are known here.
// FORMAT.md, beside this file, specifies the format for other readers.
package batch
