package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/internal/tomlfile"
)

// template is a new configuration, with %s for the lines that init knows.
const template = `# Configuration of an omsync node. It is read at every run: edit it at any time.

# The node's name: other nodes know it by this. It cannot be changed later.
%s
# The database: user:password@unix(/run/mysqld/mysqld.sock)/openmrs or user:password@tcp(host:3306)/openmrs.
# Instead of writing the password here, name an environment variable or a file that holds it.
%s%s
# What omsync knows of the data model: "openmrs", or "none" for a schema that is not OpenMRS. A file of your own can add to
# it: tables that stay here, directions, keys, references. Its path is relative to this folder.
%s%s
# Full loads are split into files of about this size: for weak links and small sticks.
# part_size = "64MiB"

# How many years later than this computer's clock the stamps of a child may be: files with later ones are refused.
# horizon_years = 10

# How many days rows that an import deletes are kept whole, so that they can be had again as they were. 0: they are not kept.
# keep_deleted_days = 90

# The roles of users whose passwords and secret questions go to children. Without it, nobody's do. Children never send any.
# user_secrets_to_children = ["Clinic administrator"]

# What each child may use in its life of what it makes others keep; a child that is over a quota is stopped until a person has looked.
# [quota]
# authors = 1000

# What is done after an import that changed rows: a command, with JSON on its standard input that says which tables. It is
# tried again at the next run until it ends with 0. reindex lets OpenMRS build its search index anew at its next start.
# [hooks]
# after_import = ["/etc/omsync/after-import"]
# timeout = "5m"
# reindex = true

# Who wins when two sites changed the same value without knowing of each other, per table or column: "newest" (the default),
# "parent" or "child". The value that loses is recorded, never thrown away. "omsync conflicts policy" lists and writes them.
[policy]
# obs = "parent"
# "person.gender" = "child"

# How files travel: "omsync sync" uses every link. One that is down is tried again at the next run. "omsync join" adds a link
# to a hub's server. A stick, a folder that others share or carry, a bucket (its keys: AWS_ACCESS_KEY_ID and
# AWS_SECRET_ACCESS_KEY in the environment):
# [[link]]
# url = "usb:/media/stick"
# [[link]]
# url = "folder:/srv/share"
# bwlimit = "8KiB"                    # bytes per second
# [[link]]
# url = "s3://bucket/prefix?endpoint=https://s3.example.org"

# What a hub needs for "omsync serve"; "omsync serve --help" has the other settings, with _ for the dashes in their names.
# [serve]
# url = "https://hub.example.org:8443"  # where nodes find it
# import = true                         # at once
`

// Write makes the configuration file in c.Home, which must not have one yet, readable by its owner alone. It writes what init
// knows: node, dsn, password, profile.
func (c *Config) Write() error {
	line := func(key, value, example string) string {
		if value == "" {
			return example
		}
		return key + " = " + tomlfile.Quote(value) + "\n"
	}
	password := line("password_env", c.PasswordEnv, "# password_env = \"OMSYNC_PASSWORD\"\n") +
		line("password_file", c.PasswordFile, "# password_file = \"/etc/omsync/password\"\n")
	text := fmt.Sprintf(template, line("node", c.Node, ""), line("dsn", c.DSN, ""), password,
		line("profile", c.Profile, ""), line("profile_file", c.ProfileFile, "# profile_file = \"profile.toml\"\n"))
	if err := durable.Write(filepath.Join(c.Home, Name), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// linkText is what join adds to omsync.toml.
const linkText = `
# The way to %[1]s, as agreed with its invitation.
[[link]]
url = %[2]q
peer = %[1]q
`

// AddLink writes a link to a server into the configuration, behind what is there. renew: a token vouches for the pin, which may
// replace that of the same link.
func (c *Config) AddLink(l Link, renew bool) error {
	path := filepath.Join(c.Home, Name)
	if i := slices.IndexFunc(c.Links, func(old Link) bool { return old.URL == l.URL && old.Peer == l.Peer }); i >= 0 {
		if c.Links[i].Pin == l.Pin {
			return nil
		}
		if renew {
			text, err := os.ReadFile(path)
			old := fmt.Appendf(nil, "pin = %q", c.Links[i].Pin)
			if err == nil && l.Pin != "" && bytes.Count(text, old) == 1 {
				c.Links[i].Pin = l.Pin
				return durable.Write(path, bytes.Replace(text, old, fmt.Appendf(nil, "pin = %q", l.Pin), 1), 0o600)
			}
		}
		return fmt.Errorf("%s has a link to %s already, with another pin: correct it there: pin = %q", path, l.URL, l.Pin)
	}
	text := fmt.Sprintf(linkText, l.Peer, l.URL)
	if l.Pin != "" {
		text += fmt.Sprintf("pin = %q\n", l.Pin)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = io.WriteString(f, text)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("write the link into the configuration: %w", err)
	}
	c.Links = append(c.Links, l)
	return nil
}
