package keys

import (
	"errors"
	"fmt"
	"strings"
)

// maxName is the longest name of a node, in bytes.
const maxName = 31

// ValidName says why s cannot be the name of a node; nil if it can. A name has
// 1 to 31 characters, lower-case letters, digits and dashes, and begins with a
// letter or a digit. Names become file names, so those that Windows keeps for
// devices are refused ("Naming Files, Paths, and Namespaces" in the Windows
// documentation).
func ValidName(s string) error {
	if s == "" {
		return errors.New("a node needs a name, such as kisumu")
	}
	if len(s) > maxName {
		return fmt.Errorf("node name of %d bytes: use at most %d", len(s), maxName)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '-' && i > 0:
		default:
			return fmt.Errorf("node name %q: use lower-case letters, digits and dashes, and no dash in front", s)
		}
	}
	if isDevice(s) {
		return fmt.Errorf("node name %q: windows keeps it for a device, choose another", s)
	}
	return nil
}

func isDevice(s string) bool {
	switch s {
	case "con", "prn", "aux", "nul":
		return true
	}
	port := strings.HasPrefix(s, "com") || strings.HasPrefix(s, "lpt")
	return port && len(s) == 4 && '0' <= s[3] && s[3] <= '9'
}
