package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/schema"
)

// configName is the configuration file in a home folder.
const configName = "omsync.toml"

// config is what a home folder's omsync.toml says.
type config struct {
	Node         string            `toml:"node"`
	DSN          string            `toml:"dsn"`
	PasswordEnv  string            `toml:"password_env"`
	PasswordFile string            `toml:"password_file"`
	Profile      string            `toml:"profile"`
	ProfileFile  string            `toml:"profile_file"`
	Policy       map[string]string `toml:"policy"`
	Hooks        hooks             `toml:"hooks"`
	PartSize     string            `toml:"part_size"`
	Links        []linkConfig      `toml:"link"`
	Serve        serveConfig       `toml:"serve"`

	home string
}

// configText is a new configuration, with %s for the lines that init knows.
const configText = `# Configuration of an omsync node. It is read at every run: edit it at any time.

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

# What is done after an import that changed rows: a command, with JSON on its standard input that says which tables. It is
# tried again at the next run until it ends with 0. reindex lets OpenMRS build its search index anew at its next start.
# [hooks]
# after_import = ["/etc/omsync/after-import"]
# timeout = "5m"
# reindex = true

# Who wins when two sites changed the same value without knowing of each other, per table: "newest" (the default), "parent"
# or "child". The value that loses is recorded, never thrown away.
[policy]
# global_property = "parent"

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

// write makes the configuration file, which must not be there yet, readable by its owner alone.
func (c *config) write() error {
	line := func(key, value, example string) string {
		if value == "" {
			return example
		}
		var b bytes.Buffer
		if err := toml.NewEncoder(&b).Encode(map[string]string{key: value}); err != nil {
			return "# " + key + " = ?\n" // a map of strings always encodes
		}
		return b.String()
	}
	password := line("password_env", c.PasswordEnv, "# password_env = \"OMSYNC_PASSWORD\"\n") +
		line("password_file", c.PasswordFile, "# password_file = \"/etc/omsync/password\"\n")
	text := fmt.Sprintf(configText, line("node", c.Node, ""), line("dsn", c.DSN, ""), password,
		line("profile", c.Profile, ""), line("profile_file", c.ProfileFile, "# profile_file = \"profile.toml\"\n"))
	if err := durable.Write(filepath.Join(c.home, configName), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// readConfig reads a home folder's configuration. Unknown keys are errors that name the line.
func readConfig(home string) (*config, error) {
	path := filepath.Join(home, configName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hinted(fmt.Errorf("%s is not a node's home folder yet: it holds no %s", home, configName), "make it one: omsync --home %s init --node NAME --dsn DSN", home)
	} else if name := owner(home); errors.Is(err, fs.ErrPermission) && name != "" {
		return nil, hinted(fmt.Errorf("read the configuration: %w", err), "the home folder belongs to %s: sudo -u %[1]s omsync --home %s ...", name, home)
	} else if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	c := &config{home: home}
	md, err := toml.Decode(string(data), c)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(withoutText(err), "toml: "))
	}
	if unknown := md.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("%s: line %d: unknown key %s", path, lineOf(data, unknown[0]), unknown[0])
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, c.checkMode(path)
}

// withoutText words a syntax error with its line but without the text around it, which may hold a password.
func withoutText(err error) string {
	var p toml.ParseError
	if errors.As(err, &p) {
		return fmt.Sprintf("line %d: %s", p.Position.Line, p.Message)
	}
	return err.Error()
}

func (c *config) check() error {
	if err := keys.ValidName(c.Node); err != nil {
		return err
	}
	if c.DSN == "" {
		return errors.New(`no database: add dsn = "user@unix(/path/to/socket)/database"`)
	}
	d, err := parseDSN(c.DSN)
	if err != nil {
		return err
	}
	from := 0
	for _, set := range []bool{d.Passwd != "", c.PasswordEnv != "", c.PasswordFile != ""} {
		if set {
			from++
		}
	}
	if from > 1 {
		return errors.New("the password is said twice: keep one of dsn, password_env and password_file")
	}
	if _, err := parseSize(c.PartSize); err != nil {
		return fmt.Errorf("part_size: %w", err)
	}
	for i := range c.Links {
		if err := c.Links[i].check(); err != nil {
			return err
		}
	}
	if err := c.Serve.check(); err != nil {
		return err
	}
	for table, p := range c.Policy {
		switch p {
		case "newest", "parent", "child":
		default:
			return fmt.Errorf(`policy of %s is %q: use "newest", "parent" or "child"`, table, p)
		}
	}
	return nil
}

// checkMode refuses a file with a password that others can read.
func (c *config) checkMode(path string) error {
	d, err := parseDSN(c.DSN)
	if err != nil || d.Passwd == "" || runtime.GOOS == "windows" {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return hinted(fmt.Errorf("%s holds a password and others can read it (mode %04o)", path, mode), "chmod 600 %s", path)
	}
	return nil
}

// parseDSN reads a DSN. Its errors do not quote it: it may hold a password.
func parseDSN(dsn string) (*mysql.Config, error) {
	d, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("the DSN cannot be read: write it as user:password@unix(/path/to/socket)/database or user:password@tcp(host:3306)/database")
	}
	if d.DBName == "" {
		return nil, errors.New("the DSN names no database: end it with /NAME")
	}
	return d, nil
}

// dsn is the DSN with the password in it.
func (c *config) dsn() (string, error) {
	d, err := parseDSN(c.DSN)
	if err != nil {
		return "", err
	}
	switch {
	case c.PasswordEnv != "":
		p, ok := os.LookupEnv(c.PasswordEnv)
		if !ok {
			return "", fmt.Errorf("the database's password should be in the environment variable %s, which is not set", c.PasswordEnv)
		}
		d.Passwd = p
	case c.PasswordFile != "":
		b, err := os.ReadFile(c.path(c.PasswordFile))
		if err != nil {
			return "", fmt.Errorf("read the database's password: %w", err)
		}
		d.Passwd = strings.TrimRight(string(b), "\r\n")
	default:
		return c.DSN, nil
	}
	return d.FormatDSN(), nil
}

// path is a path of the configuration, which counts from the home folder.
func (c *config) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.home, p)
}

// profile is the profile that the configuration names.
func (c *config) profile() (*schema.Profile, error) {
	p, err := schema.Builtin(c.Profile)
	if err != nil || c.ProfileFile == "" {
		return p, err
	}
	path := c.path(c.ProfileFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	return schema.ParseProfile(path, data, p)
}

// lineOf finds the line of a key: the first that sets it or opens a table of its name.
func lineOf(data []byte, key toml.Key) int {
	name := regexp.QuoteMeta(key[len(key)-1])
	set := regexp.MustCompile(`^\s*(\[.*)?["']?` + name + `["']?\s*([=.\]]|$)`)
	for i, line := range strings.Split(string(data), "\n") {
		if set.MatchString(line) {
			return i + 1
		}
	}
	return 1
}
