package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/tomlfile"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Name is the configuration file's in a home folder.
const Name = "omsync.toml"

// Config is what a home folder's omsync.toml says. What is empty there is empty here: [Settings] has the defaults.
type Config struct {
	Node         string         `toml:"node"`
	DSN          string         `toml:"dsn"`
	PasswordEnv  string         `toml:"password_env"`
	PasswordFile string         `toml:"password_file"`
	Profile      string         `toml:"profile"`
	ProfileFile  string         `toml:"profile_file"`
	Policy       map[string]any `toml:"policy"`
	Hooks        Hooks          `toml:"hooks"`
	PartSize     string         `toml:"part_size"`
	MaxFile      string         `toml:"max_file"`
	HorizonYears *int           `toml:"horizon_years"`
	KeepDeleted  *int           `toml:"keep_deleted_days"`
	OpenDays     *int           `toml:"conflicts_open_days"`
	LateLeast    *int           `toml:"late_least_hours"`
	LateMost     *int           `toml:"late_most_days"`
	Quota        Quota          `toml:"quota"`

	UserSecretsToChildren []string `toml:"user_secrets_to_children"`

	Links []Link `toml:"link"`
	Serve Serve  `toml:"serve"`
	Page  Page   `toml:"page"`
	Agent Agent  `toml:"agent"`
	Scope Scope  `toml:"scope"`

	Home string `toml:"-"` // the home folder, from which the paths in the file count
}

// Read reads and checks a home folder's configuration.
func Read(home string) (*Config, error) {
	path := filepath.Join(home, Name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failure.Hinted(fmt.Errorf("%s is not a node's home folder yet: it holds no %s", home, Name), "make it one: omsync --home %s init --node NAME --dsn DSN", home)
	} else if name := Owner(home); errors.Is(err, fs.ErrPermission) && name != "" {
		return nil, failure.Hinted(fmt.Errorf("read the configuration: %w", err), "the home folder belongs to %s: sudo -u %[1]s omsync --home %s ...", name, home)
	} else if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	c := &Config{Home: home}
	if err := c.parse(data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, c.checkMode(path)
}

// parse reads and checks the text of a configuration.
func (c *Config) parse(data []byte) error {
	f, err := tomlfile.Parse(data)
	if err != nil {
		return err
	}
	if err := f.Decode(c); err != nil {
		return hookForm(err)
	}
	if err := c.Hooks.check(f); err != nil {
		return err
	}
	return c.Check()
}

// Check returns an error for the first setting that cannot be meant.
func (c *Config) Check() error {
	if err := keys.ValidName(c.Node); err != nil {
		return err
	}
	if c.DSN == "" {
		return errors.New(`no database: add dsn = "user@unix(/path/to/socket)/database"`)
	}
	d, err := ParseDSN(c.DSN)
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
	if _, err := ParsePartSize(c.PartSize); err != nil {
		return fmt.Errorf("part_size: %w", err)
	}
	if _, err := c.MaxFileSize(); err != nil {
		return fmt.Errorf("max_file: %w", err)
	}
	if c.HorizonYears != nil && (*c.HorizonYears < 1 || *c.HorizonYears > MaxHorizonYears) {
		return fmt.Errorf("horizon_years is %d: write a number from 1 to %d", *c.HorizonYears, MaxHorizonYears)
	}
	if c.KeepDeleted != nil && (*c.KeepDeleted < 0 || *c.KeepDeleted > MaxKeepDays) {
		return fmt.Errorf("keep_deleted_days is %d: write a number from 0 to %d", *c.KeepDeleted, MaxKeepDays)
	}
	if c.OpenDays != nil && (*c.OpenDays < 1 || *c.OpenDays > MaxOpenDays) {
		return fmt.Errorf("conflicts_open_days is %d: write a number from 1 to %d", *c.OpenDays, MaxOpenDays)
	}
	if err := c.checkLate(); err != nil {
		return err
	}
	if c.Quota.ConflictBytes != "" {
		if _, err := ParseBytes(c.Quota.ConflictBytes); err != nil {
			return fmt.Errorf("quota.conflict_bytes: %w", err)
		}
	}
	if slices.Contains(c.UserSecretsToChildren, "") {
		return errors.New(`user_secrets_to_children names a role without a name: write ["ROLE", ...], or ["all"] for every user`)
	}
	for i := range c.Links {
		if err := c.Links[i].Check(); err != nil {
			return err
		}
	}
	if err := c.Serve.Check(); err != nil {
		return err
	}
	if err := c.Page.Check(); err != nil {
		return err
	}
	if err := c.Agent.Check(); err != nil {
		return err
	}
	if err := c.Scope.Check(); err != nil {
		return err
	}
	_, err = c.PolicyRules()
	return err
}

// checkMode refuses a file with a password that others can read.
func (c *Config) checkMode(path string) error {
	d, err := ParseDSN(c.DSN)
	if err != nil || d.Passwd == "" || runtime.GOOS == "windows" {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return failure.Hinted(fmt.Errorf("%s holds a password and others can read it (mode %04o)", path, mode), "chmod 600 %s", path)
	}
	return nil
}

// Path returns a path of the configuration, which counts from the home folder.
func (c *Config) Path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.Home, p)
}

// ReadProfile returns the profile that the configuration names.
func (c *Config) ReadProfile() (*schema.Profile, error) {
	p, err := schema.Builtin(c.Profile)
	if err != nil {
		return nil, err
	}
	if c.ProfileFile == "" {
		p.Release(c.UserSecretsToChildren)
		return p, nil
	}
	path := c.Path(c.ProfileFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	if p, err = schema.ParseProfile(path, data, p); err != nil {
		return nil, err
	}
	p.Release(c.UserSecretsToChildren)
	return p, nil
}

// CheckProfile returns an error for a reindex or secrets of users that the profile says nothing of.
func (c *Config) CheckProfile(p *schema.Profile) error {
	if len(c.UserSecretsToChildren) > 0 && !p.HasSecrets() {
		return fmt.Errorf("%s: user_secrets_to_children: the profile %s has no section [secret]", filepath.Join(c.Home, Name), p.Name)
	}
	if !c.Hooks.Reindex {
		return nil
	}
	if _, err := p.Reindex(); err != nil {
		return fmt.Errorf("%s: reindex: %w", filepath.Join(c.Home, Name), err)
	}
	return nil
}

// CheckTables returns an error for a policy of a table or column that the database does not have.
func (c *Config) CheckTables(cat *schema.Catalogue) error { return c.checkPolicies(cat) }

// MaxHorizonYears is the highest horizon_years.
const MaxHorizonYears = 200

// Horizon returns how much later than this computer's clock the stamps of a child may be.
func (c *Config) Horizon() time.Duration {
	if c.HorizonYears == nil {
		return merge.DefaultHorizon
	}
	return time.Duration(*c.HorizonYears) * merge.Year
}

// MaxKeepDays is the highest keep_deleted_days, DefaultKeepDays what it is where nothing is said.
const MaxKeepDays, DefaultKeepDays = 3650, 90

// Keep returns how long rows that an import deletes are kept whole; below 0: they are not, as apply.Options has it.
func (c *Config) Keep() time.Duration {
	days := DefaultKeepDays
	if c.KeepDeleted != nil {
		days = *c.KeepDeleted
	}
	if days == 0 {
		return -1
	}
	return time.Duration(days) * 24 * time.Hour
}

// MaxOpenDays is the highest conflicts_open_days, DefaultOpenDays what it is where nothing is said.
const MaxOpenDays, DefaultOpenDays = 3650, 90

// ConflictsOpen returns how long a conflict is open that nobody settles.
func (c *Config) ConflictsOpen() time.Duration {
	days := DefaultOpenDays
	if c.OpenDays != nil {
		days = *c.OpenDays
	}
	return time.Duration(days) * 24 * time.Hour
}
