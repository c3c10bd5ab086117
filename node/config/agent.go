package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Agent is [agent]: what omsync agent does beside the links.
type Agent struct {
	// Sticks are the folders below which sticks come to be mounted; nil: as DefaultStickFolders says. Where the system does not tell what is
	// mounted, they are the sticks themselves.
	Sticks *[]string `toml:"sticks"`
}

// StickName is the folder on a stick that says that it is meant for omsync, and in which the files are.
const StickName = "omsync"

// DefaultStickFolders returns where this system mounts sticks; none where it does not tell.
func DefaultStickFolders() []string {
	if runtime.GOOS == "linux" {
		return []string{"/media", "/mnt", "/run/media"}
	}
	return nil
}

// StickFolders returns the folders in force.
func (a *Agent) StickFolders() []string {
	if a.Sticks == nil {
		return DefaultStickFolders()
	}
	return *a.Sticks
}

// Check returns an error for a folder that cannot be meant.
func (a *Agent) Check() error {
	for _, f := range a.StickFolders() {
		if a.Sticks != nil && !filepath.IsAbs(f) {
			return fmt.Errorf("agent: sticks: %q: write a whole path, such as /media", f)
		}
	}
	return nil
}

// IsStick reports whether a link leads to a stick.
func (l *Link) IsStick() bool { return strings.HasPrefix(l.URL, "usb:") }

// Folder returns the path of a link to a stick or folder, as it is written.
func (l *Link) Folder() string {
	_, path, _ := strings.Cut(l.URL, ":")
	return strings.TrimPrefix(path, "//")
}

// Stamp returns what is another text once the configuration file of a home folder was written anew.
func Stamp(home string) (string, error) {
	info, err := os.Stat(filepath.Join(home, Name))
	if err != nil {
		return "", err
	}
	return fmt.Sprint(info.Size(), " ", info.ModTime().UnixNano()), nil
}
