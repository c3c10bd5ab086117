package backup

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Bounds of a file, whoever made it.
const (
	maxFile    = 64 << 20  // bytes of one file in it
	maxTotal   = 512 << 20 // bytes of all
	maxEntries = 10_000    // files and folders
	maxPath    = 255       // bytes of a path
	maxDepth   = 4         // folders above a file, and one
)

// remade are the names in a home folder that a run makes anew. What waits in the inbox, its sender sends until it is applied.
var remade = map[string]bool{"lock": true, "agent.lock": true, "agent.log": true, "agent.log.old": true, "inbox": true, "outbox": true, "aside": true, "uploads": true, "place.json": true, "triggers.json": true, recordName: true, peersName: true}

// left reports whether a path in a home folder is left out: the first part of it says so, or it is half a file of a run that was killed.
func left(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return remade[first] || strings.HasPrefix(path.Base(name), ".") && strings.HasSuffix(name, ".new")
}

// checkEntry returns an error for what no backup holds: paths out of the folder, or that a file system takes for others; links and devices;
// too much.
func checkEntry(name string, mode fs.FileMode, size int64) error {
	switch {
	case len(name) > maxPath || strings.Count(name, "/") >= maxDepth:
		return fmt.Errorf("its path %.60q is too long", name)
	case !fs.ValidPath(name) || name == ".":
		return fmt.Errorf("its path %.60q leads out of the folder", name)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == ':' }):
		return fmt.Errorf("its path %.60q has characters that a path should not have", name)
	case !mode.IsRegular() && !mode.IsDir():
		return fmt.Errorf("%s is neither a file nor a folder", name)
	case left(name) && name != peersName && !isCard(name):
		return fmt.Errorf("%s is nothing that a backup holds", name)
	case size < 0 || size > maxFile:
		return fmt.Errorf("%s has %d bytes, and a file in a backup has %d at most", name, size, int64(maxFile))
	}
	return nil
}

// isCard reports whether a path is that of a peer's card.
func isCard(name string) bool {
	return path.Dir(name) == peersName && strings.HasSuffix(name, cardSuffix)
}

// isKey reports whether a file in a home folder is one of a node's keys.
func isKey(name string) bool {
	return strings.HasSuffix(name, ".identity.age.txt") || strings.HasSuffix(name, ".signing.pem")
}

// fate is what becomes of a file of a backup.
type fate int

const (
	put    fate = iota // it is not there
	same               // it is there as it was
	differ             // another is there, and stays
	refuse             // other keys are there: the folder is another node's
)

// decide says what becomes of a file of a backup, by what is in the home folder. inBackup: the backup has it, inHome: the folder has it; equal:
// both have the same.
func decide(name string, inBackup, inHome, equal bool) fate {
	switch {
	case !inHome:
		return put
	case equal:
		return same
	case isKey(name):
		return refuse
	case !inBackup:
		return same
	}
	return differ
}
