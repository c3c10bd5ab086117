// Package attempts counts how often a node tried a file, so that one that fails, or ends the program, is not tried again and again.
//
// The rules ([File.Judge], [Fair]) are pure. The [Record] is a file in the home folder. It promises that an attempt is on the disk
// before it begins: what the program did not survive is counted too.
package attempts
