// Package nodename has the one rule for the names of nodes. Whatever takes a name from outside asks it: a configuration, a card,
// an author in a batch, a signature over HTTP.
package nodename

import (
	"errors"
	"fmt"
	"strings"
)

// MaxLength is the most bytes that a name has.
const MaxLength = 31

// Check returns why s cannot be the name of a node, or nil if it can. A name has 1 to 31 characters, lower-case letters, digits
// and dashes, and begins with a letter or a digit. Names become file names, so those that Windows keeps for devices are refused.
func Check(s string) error {
	if s == "" {
		return errors.New("a node needs a name, such as kisumu")
	}
	if len(s) > MaxLength {
		return fmt.Errorf("node name of %d bytes: use at most %d", len(s), MaxLength)
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '-' && i > 0:
		default:
			return fmt.Errorf("node name %q: use lower-case letters, digits and dashes, and no dash in front", s)
		}
	}
	if IsDevice(s) {
		return fmt.Errorf("node name %q: windows keeps it for a device, choose another", s)
	}
	return nil
}

// IsDevice reports whether Windows keeps a file name for a device. base is the name up to its first dot, in any case ("Naming
// Files, Paths, and Namespaces" in the Windows documentation).
func IsDevice(base string) bool {
	base = strings.ToLower(base)
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	port := strings.HasPrefix(base, "com") || strings.HasPrefix(base, "lpt")
	return port && len(base) == 4 && '0' <= base[3] && base[3] <= '9'
}
