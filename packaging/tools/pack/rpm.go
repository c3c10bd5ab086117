package main

import (
	"io"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// summary and description are what a package says of itself.
const (
	summary     = "Keep OpenMRS databases at several sites in step by files"
	description = `omsync carries what changed from one site's OpenMRS database to another's as
signed and encrypted files: by USB stick, shared folder, bucket or HTTP, over
links that are thin, break, or are not there.`
)

// writeRPM writes a package for rpm. version is as rpm has it: 1.0.0~rc.1.
func writeRPM(w io.Writer, folder, arch, version string, at time.Time) error {
	info := &nfpm.Info{
		Name: "omsync", Arch: arch, Platform: "linux", Version: version, VersionSchema: "none", Release: "1",
		Maintainer: "omsync maintainers <maintainers@omsync.invalid>", Description: summary + "\n" + description,
		Homepage: "https://github.com/omsync/omsync", License: "Apache-2.0", MTime: at,
		Overridables: nfpm.Overridables{
			Depends:    []string{"systemd"},
			Recommends: []string{"ca-certificates"},
			Umask:      0o022,
			Scripts:    nfpm.Scripts{PostInstall: "packaging/rpm/post", PreRemove: "packaging/rpm/preun", PostRemove: "packaging/rpm/postun"},
			RPM:        nfpm.RPM{Summary: summary, Group: "Applications/Databases", BuildHost: "omsync.invalid", Compression: "gzip"},
		},
	}
	list, err := list(folder)
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.mode.IsDir() {
			continue
		}
		c := &files.Content{Source: f.path, Destination: "/" + f.name, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: f.permissions(), MTime: at}}
		switch {
		case strings.HasPrefix(f.name, "etc/"):
			c.Type, c.FileInfo.Mode = files.TypeConfigNoReplace, 0o640
		case strings.HasPrefix(f.name, "usr/share/doc/"):
			c.Type = files.TypeRPMDoc
		}
		info.Contents = append(info.Contents, c)
	}
	info = nfpm.WithDefaults(info)
	if err := nfpm.PrepareForPackager(info, "rpm"); err != nil {
		return err
	}
	p, err := nfpm.Get("rpm")
	if err != nil {
		return err
	}
	return p.Package(info, w)
}
