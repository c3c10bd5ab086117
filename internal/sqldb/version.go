package sqldb

import (
	"fmt"
	"strings"
)

// Version is a server's version.
type Version struct {
	MariaDB             bool // as opposed to MySQL
	Major, Minor, Patch int
}

// ParseVersion reads what SELECT VERSION() returns, such as 10.11.6-MariaDB-log or 9.7.0. Numbers that it cannot read are 0.
func ParseVersion(s string) Version {
	v := Version{MariaDB: strings.Contains(strings.ToLower(s), "mariadb")}
	if v.MariaDB {
		s = strings.TrimPrefix(s, "5.5.5-") // what MariaDB 10 puts before it for old replicas
	}
	fmt.Sscanf(s, "%d.%d.%d", &v.Major, &v.Minor, &v.Patch)
	return v
}

// AtLeast reports whether the version is this one or a later one.
func (v Version) AtLeast(major, minor, patch int) bool {
	if v.Major != major {
		return v.Major > major
	}
	if v.Minor != minor {
		return v.Minor > minor
	}
	return v.Patch >= patch
}

// TakesSeveralTriggers reports whether the server takes several triggers of one kind on a table: MySQL since 5.7.2 and MariaDB since
// 10.2.3 (their release notes).
func (v Version) TakesSeveralTriggers() bool {
	if v.MariaDB {
		return v.AtLeast(10, 2, 3)
	}
	return v.AtLeast(5, 7, 2)
}
