// Package backup writes a home folder into one encrypted file, and puts it back.
//
// It promises: a file is whole, checked to its end, before anything of it counts; it holds what its node's keys and configuration say it is;
// nothing in a home folder is overwritten; and a file by anybody writes nothing outside the folder, nor more than its bounds.
//
// # The file
//
// Inside age's encryption, to a passphrase or to a card, is a gzipped tar: first [manifestName], a [Manifest] in JSON; then folders and plain
// files by their path in the home folder; then peers/NAME.card for each peer that the database knew. So it opens with stock tools too:
//
//	age -d FILE | tar xz
//
// What a run makes anew is not in it: the lock, and the files for peers and from peers, which their senders go on sending until they are
// applied.
package backup
