package keys

import "github.com/omsync/omsync/internal/nodename"

// ValidName returns why s cannot be the name of a node; nil if it can. A name has
// 1 to 31 characters, lower-case letters, digits and dashes, begins with a
// letter or a digit, and is none of Windows' device names.
func ValidName(s string) error { return nodename.Check(s) }
