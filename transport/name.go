package transport

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/omsync/omsync/internal/nodename"
)

// Suffix ends the name of every batch file.
const Suffix = ".omsync"

// maxName bounds names that are made, in bytes. FAT and exFAT take 255 UTF-16 units and most other file systems 255
// bytes; the temporary name needs some of them.
const maxName = 200

// CheckName returns why a name is not one that every file system takes: only letters, digits, dots, dashes and underscores,
// none of Windows' device names ("Naming Files, Paths, and Namespaces" in the Windows documentation).
func CheckName(name string) error {
	if err := CheckStored(name); err != nil {
		return err
	}
	if len(name) > maxName {
		return fmt.Errorf("file name of %d bytes: use at most %d", len(name), maxName)
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return fmt.Errorf("file name %q: use letters, digits, dots, dashes and underscores", name)
		}
	}
	if !strings.HasSuffix(name, Suffix) {
		return fmt.Errorf("file name %q: it must end in %s", name, Suffix)
	}
	base, _, _ := strings.Cut(name, ".")
	if nodename.IsDevice(base) {
		return fmt.Errorf("file name %q: windows keeps it for a device", name)
	}
	return nil
}

// CheckStored returns why a name cannot be that of a batch in a store: List leaves out such files, Get and Remove refuse them.
// People rename files, so it takes more than CheckName, but no path and no hidden file: macOS puts a ._NAME beside each
// file on a FAT stick.
func CheckStored(name string) error {
	switch {
	case strings.ContainsAny(name, "/\\\x00") || filepath.Base(name) != name:
		return fmt.Errorf("file name %q is a path: name a file of the folder itself", name)
	case strings.HasPrefix(name, "."):
		return fmt.Errorf("file name %q: hidden files are no batches", name)
	case len(name) <= len(Suffix) || !strings.EqualFold(name[len(name)-len(Suffix):], Suffix):
		return fmt.Errorf("file name %q: batches end in %s", name, Suffix)
	case len(name) > 255:
		return errors.New("file name of more than 255 bytes")
	}
	return nil
}
