package transport

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"time"
)

// Temporary names begin with tempPrefix and end in tempSuffix, so that neither List nor another program takes them for
// batches.
const (
	tempPrefix = ".omsync-"
	tempSuffix = ".part"
)

// isTemporary reports whether a name is that of a temporary file.
func isTemporary(name string) bool {
	return strings.HasPrefix(name, tempPrefix) && strings.HasSuffix(name, tempSuffix)
}

// staleAge is the age from which on a temporary file belongs to nobody any more.
const staleAge = 24 * time.Hour

// randomName returns a temporary name that no other has.
func randomName() string {
	var random [8]byte
	rand.Read(random[:])
	return tempPrefix + hex.EncodeToString(random[:]) + tempSuffix
}

// partialName returns the temporary name under which a file of this name and size grows.
func partialName(e Entry) string {
	sum := sha256.Sum256([]byte(e.Name + "\x00" + strconv.FormatInt(e.Size, 10)))
	return tempPrefix + hex.EncodeToString(sum[:8]) + tempSuffix
}

// removeStale removes temporary files that are a day older than one just made: both times are the file system's own, so that
// the clocks of the computers that share it do not matter. It is a courtesy; what it cannot do is left.
func (f *Folder) removeStale(made *os.File) {
	info, err := made.Stat()
	if err != nil {
		return
	}
	dir, err := f.root.Open(".")
	if err != nil {
		return
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(-1)
	for _, e := range entries {
		if !isTemporary(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		if old, err := e.Info(); err == nil && info.ModTime().Sub(old.ModTime()) > staleAge {
			f.root.Remove(e.Name())
		}
	}
}
