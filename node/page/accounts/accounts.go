package accounts

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"github.com/gofrs/flock"

	"github.com/omsync/omsync/internal/durable"
)

// Bounds. A password may be a sentence. A link is for today and tomorrow.
const (
	MinPassword  = 10  // characters
	MaxPassword  = 200 // bytes
	LinkValid    = 48 * time.Hour
	maxAccounts  = 1000
	maxFile      = 1 << 20
	version      = 1
	tokenBytes   = 24
	passwordTime = 2 // passes of argon2id
)

// Errors. ErrLogin says nothing about which of the two is wrong.
var (
	ErrLogin    = errors.New("the name or the password is wrong")
	ErrLink     = errors.New("this link was used, or is too old, or was never made")
	ErrPassword = fmt.Errorf("a password has %d characters at least, and %d bytes at most", MinPassword, MaxPassword)
	ErrNobody   = errors.New("there is no such account")
	ErrExists   = errors.New("there is such an account already")
)

// Account is somebody who may use the page.
type Account struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
	// Password is an argon2id hash; "": none was set yet.
	Password string `json:"password,omitempty"`
	// Generation changes with the password: sessions of another one have ended.
	Generation string `json:"generation"`
	// Link is the SHA-256 of a token that sets a password, once, until Until.
	Link  string    `json:"link,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

type content struct {
	Version  int       `json:"omsync_accounts"`
	Accounts []Account `json:"accounts"`
}

// Accounts are those of a home folder.
type Accounts struct {
	folder string
	// Now is the clock.
	Now func() time.Time
}

// Open returns the accounts of a home folder, and makes their folder if it is missing.
func Open(home string) (*Accounts, error) {
	folder := filepath.Join(home, "page")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("open the accounts: %w", err)
	}
	return &Accounts{folder, time.Now}, nil
}

func (a *Accounts) path() string { return filepath.Join(a.folder, "accounts.json") }

// List returns the accounts by name.
func (a *Accounts) List() ([]Account, error) {
	b, err := os.ReadFile(a.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	var c content
	if len(b) > maxFile {
		return nil, fmt.Errorf("read the accounts: %s is longer than %d bytes", a.path(), maxFile)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("read the accounts in %s: %w", a.path(), err)
	}
	if c.Version != version {
		return nil, fmt.Errorf("%s is of version %d, and this omsync reads %d", a.path(), c.Version, version)
	}
	return c.Accounts, nil
}

// Find returns an account. Errors: ErrNobody.
func (a *Accounts) Find(name string) (Account, error) {
	all, err := a.List()
	if err != nil {
		return Account{}, err
	}
	if i := slices.IndexFunc(all, func(x Account) bool { return x.Name == name }); i >= 0 {
		return all[i], nil
	}
	return Account{}, ErrNobody
}

// change reads the accounts, changes them and writes them, and nobody else does meanwhile.
func (a *Accounts) change(f func([]Account) ([]Account, error)) error {
	lock := flock.New(filepath.Join(a.folder, "lock"), flock.SetFlag(os.O_RDWR|os.O_CREATE), flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock the accounts: %w", err)
	}
	defer lock.Unlock()
	all, err := a.List()
	if err != nil {
		return err
	}
	if all, err = f(all); err != nil {
		return err
	}
	slices.SortFunc(all, func(x, y Account) int { return strings.Compare(x.Name, y.Name) })
	b, err := json.MarshalIndent(content{version, all}, "", "\t")
	if err != nil {
		return err
	}
	if err := durable.Write(a.path(), b, 0o600); err != nil {
		return fmt.Errorf("write the accounts: %w", err)
	}
	return nil
}

// one changes one account. Errors: ErrNobody.
func (a *Accounts) one(name string, f func(*Account) error) error {
	return a.change(func(all []Account) ([]Account, error) {
		i := slices.IndexFunc(all, func(x Account) bool { return x.Name == name })
		if i < 0 {
			return nil, ErrNobody
		}
		return all, f(&all[i])
	})
}

// CheckName returns an error for what is no name of an account: 1 to 40 letters, digits, dots, dashes and underscores.
func CheckName(name string) error {
	if !regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N}._@-]{0,39}$`).MatchString(name) {
		return fmt.Errorf("%.60q is no name for an account: use up to 40 letters and digits, and . _ - @", name)
	}
	return nil
}

// Add makes an account, and returns the token of the link by which its owner sets a password. Errors: ErrExists.
func (a *Accounts) Add(name string, role Role) (token string, err error) {
	if err := CheckName(name); err != nil {
		return "", err
	}
	if !role.Valid() {
		return "", fmt.Errorf("there is no role %.40q: it is viewer or operator", role)
	}
	err = a.change(func(all []Account) ([]Account, error) {
		switch {
		case slices.ContainsFunc(all, func(x Account) bool { return strings.EqualFold(x.Name, name) }):
			return nil, ErrExists
		case len(all) >= maxAccounts:
			return nil, fmt.Errorf("there are %d accounts already", len(all))
		}
		x := Account{Name: name, Role: role}
		token = x.newLink(a.Now())
		return append(all, x), nil
	})
	return token, err
}

// newLink gives an account a link, and takes its password away: sessions end.
func (x *Account) newLink(now time.Time) (token string) {
	token = random()
	x.Password, x.Generation = "", random()
	x.Link, x.Until = digest(token), now.Add(LinkValid).UTC().Truncate(time.Second)
	return token
}

// Reset gives somebody a new link, with which the password of before and all sessions end. Errors: ErrNobody.
func (a *Accounts) Reset(name string) (token string, err error) {
	err = a.one(name, func(x *Account) error { token = x.newLink(a.Now()); return nil })
	return token, err
}

// SetRole gives somebody another role. Errors: ErrNobody.
func (a *Accounts) SetRole(name string, role Role) error {
	if !role.Valid() {
		return fmt.Errorf("there is no role %.40q: it is viewer or operator", role)
	}
	return a.one(name, func(x *Account) error { x.Role = role; return nil })
}

// Remove takes an account away, with its sessions. Errors: ErrNobody.
func (a *Accounts) Remove(name string) error {
	return a.change(func(all []Account) ([]Account, error) {
		left := slices.DeleteFunc(slices.Clone(all), func(x Account) bool { return x.Name == name })
		if len(left) == len(all) {
			return nil, ErrNobody
		}
		return left, nil
	})
}

// OfLink returns whose link a token is. Errors: ErrLink.
func (a *Accounts) OfLink(token string) (Account, error) {
	all, err := a.List()
	if err != nil {
		return Account{}, err
	}
	for _, x := range all {
		if x.opens(token, a.Now()) {
			return x, nil
		}
	}
	return Account{}, ErrLink
}

func (x *Account) opens(token string, now time.Time) bool {
	return x.Link != "" && subtle.ConstantTimeCompare([]byte(x.Link), []byte(digest(token))) == 1 && now.Before(x.Until) && now.After(x.Until.Add(-2*LinkValid))
}

// SetPassword sets the first password of whose link it is, which then is used up. Errors: ErrLink, ErrPassword.
func (a *Accounts) SetPassword(token, password string) (Account, error) {
	if utf8.RuneCountInString(password) < MinPassword || len(password) > MaxPassword {
		return Account{}, ErrPassword
	}
	whose, err := a.OfLink(token)
	if err != nil {
		return Account{}, err
	}
	hash, err := argon2id.CreateHash(password, params())
	if err != nil {
		return Account{}, fmt.Errorf("hash a password: %w", err)
	}
	err = a.one(whose.Name, func(x *Account) error {
		if !x.opens(token, a.Now()) { // somebody was faster
			return ErrLink
		}
		x.Password, x.Generation, x.Link, x.Until = hash, random(), "", time.Time{}
		whose = *x
		return nil
	})
	if errors.Is(err, ErrNobody) {
		err = ErrLink
	}
	return whose, err
}

// Login returns whose name and password these are. It takes as long for a name that nobody has. Errors: ErrLogin.
func (a *Accounts) Login(name, password string) (Account, error) {
	x, err := a.Find(name)
	if err != nil && !errors.Is(err, ErrNobody) {
		return Account{}, err
	}
	hash := x.Password
	if hash == "" {
		hash = nobodys
	}
	match, err := argon2id.ComparePasswordAndHash(password[:min(len(password), MaxPassword+1)], hash)
	if err != nil {
		return Account{}, fmt.Errorf("compare a password: %w", err)
	}
	if !match || x.Password == "" {
		return Account{}, ErrLogin
	}
	return x, nil
}

// params are what a hash costs: 19 MiB and some tens of milliseconds, which a small computer has.
func params() *argon2id.Params {
	return &argon2id.Params{Memory: 19 * 1024, Iterations: passwordTime, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// nobodys is the hash of a password that nobody has, by the same params.
const nobodys = "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyEhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func random() string {
	b := make([]byte, tokenBytes)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
