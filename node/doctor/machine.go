package doctor

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/disk"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node/backup"
)

// What is little room, in bytes.
const (
	littleRoom = 2 << 30
	noRoom     = 200 << 20
)

// diskSpace looks at the room for the home folder, and for the database where that is on this computer.
func diskSpace(ctx context.Context, x *exam) (Finding, error) {
	var f found
	var fine []string
	look := func(what, dir string) {
		if free, ok := disk.Free(dir); ok {
			judgeDisk(&f, what, dir, free)
			fine = append(fine, fmt.Sprintf("%s: %d MiB are free in %s", what, free>>20, dir))
		}
	}
	look("home folder", x.Home)
	if d := x.localServer(); d {
		err := sqldb.Each(ctx, x.DB, "SELECT @@datadir", func(r []sql.RawBytes) error {
			look("database", string(r[0]))
			return nil
		})
		if err != nil {
			return Finding{}, err
		}
	}
	if len(fine) == 0 {
		fine = []string{"not known here"}
	}
	return f.finding(strings.Join(fine, "; ")), nil
}

// judgeDisk says whether there is enough room in a folder.
func judgeDisk(f *found, what, dir string, free uint64) {
	level := Warn
	switch {
	case free >= littleRoom:
		return
	case free < noRoom:
		level = Fail
	}
	f.add(level, fmt.Sprintf("%s: only %d MiB are free in %s", what, free>>20, dir), "make room: old backups, logs, the server's binary logs (PURGE BINARY LOGS BEFORE NOW() - INTERVAL 7 DAY)")
}

// private looks whether others can read what is this node's alone.
func private(_ context.Context, x *exam) (Finding, error) {
	var f found
	if runtime.GOOS == "windows" {
		return f.finding("access lists say it, and they are not looked at"), nil
	}
	if x.KeysError != nil {
		return failed(x.KeysError), nil
	}
	open := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.Mode().Perm()&0o077 != 0
	}
	if open(x.Home) {
		f.add(Warn, "others can look into the home folder "+x.Home, "chmod 700 "+x.Home)
	}
	for _, pattern := range []string{"*.identity.age.txt", "*.signing.pem", keys.FormerName + "/*/*.identity.age.txt", keys.FormerName + "/*/*.signing.pem", "tls/tls.key", "invitations"} {
		paths, err := filepath.Glob(filepath.Join(x.Home, pattern))
		if err != nil {
			return Finding{}, err
		}
		for _, path := range paths {
			if open(path) {
				f.add(Fail, "others can read "+path, "chmod go= "+path)
			}
		}
	}
	return f.finding("nobody else can read the keys"), nil
}

// How long before its end a certificate is worth a word, and how long a link may be down.
const (
	certificateSoon = 30 * 24 * time.Hour
	linkDown        = 3 * 24 * time.Hour
)

// links looks at the ways to others, and at the server's certificate.
func links(_ context.Context, x *exam) (Finding, error) {
	state, err := exchange.ReadState(x.Home)
	if err != nil {
		return Finding{}, err
	}
	var f found
	for i := range x.Links {
		l := state.Links[x.Links[i].URL]
		if l == nil {
			continue
		}
		judgeLink(&f, x.Links[i].URL, l, x.now())
	}
	fine := fmt.Sprintf("%d are configured", len(x.Links))
	if path := x.Serve.TLSCert; path != "" {
		pair, err := tls.LoadX509KeyPair(x.Path(path), x.Path(x.Serve.TLSKey))
		if err != nil {
			f.add(Fail, "the certificate of the server: "+err.Error(), "correct tls_cert and tls_key under [serve] in omsync.toml")
		} else {
			judgeCertificate(&f, x.Path(path), pair.Leaf.NotAfter, x.now())
			fine += ", the certificate holds until " + pair.Leaf.NotAfter.Local().Format("2006-01-02")
		}
	}
	return f.finding(fine), nil
}

// judgeLink says what is wrong with a link that was tried.
func judgeLink(f *found, name string, l *exchange.LinkState, now time.Time) {
	if u, err := url.Parse(name); err == nil {
		name = u.Redacted()
	}
	if !l.Down.IsZero() && now.Sub(l.Down) > linkDown {
		f.add(Warn, fmt.Sprintf("%s is down since %s: %s", name, l.Down.Local().Format("2006-01-02 15:04"), l.Error), "omsync sync tries it again, and says more")
	}
	if l.Refused != "" {
		f.add(Warn, fmt.Sprintf("%s did not apply the last file: %s", name, l.Refused), "ask the people there")
	}
}

// judgeCertificate says when a certificate ends.
func judgeCertificate(f *found, path string, end, now time.Time) {
	switch {
	case now.After(end):
		f.add(Fail, fmt.Sprintf("the certificate %s ended on %s: no clinic without a pin comes in", path, end.Local().Format("2006-01-02")), "renew it, in its place")
	case end.Sub(now) < certificateSoon:
		f.add(Warn, fmt.Sprintf("the certificate %s ends on %s", path, end.Local().Format("2006-01-02")), "renew it, in its place")
	}
}

// homeBackup looks whether there is a backup of the home folder as it is.
func homeBackup(_ context.Context, x *exam) (Finding, error) {
	r := backup.ReadRecord(x.Home)
	now, err := backup.Digest(x.Config)
	if errors.Is(err, fs.ErrPermission) {
		err = nil
	}
	if err != nil {
		return Finding{}, err
	}
	do := "omsync home backup FILE, and keep the file elsewhere"
	switch {
	case r == nil:
		return Finding{Level: Warn, What: "there is none: with the home folder this node would lose its keys", Do: do}, nil
	case r.Digest != now:
		return Finding{Level: Warn, What: "the configuration or the keys have changed since " + r.Made.Local().Format("2006-01-02 15:04"), Do: do}, nil
	}
	return Finding{What: "made on " + r.Made.Local().Format("2006-01-02 15:04")}, nil
}

// localServer reports whether the database's server is on this computer.
func (x *exam) localServer() bool {
	host := x.Host()
	return slices.Contains([]string{"", "localhost", "127.0.0.1", "::1"}, host)
}
