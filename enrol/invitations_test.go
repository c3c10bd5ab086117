package enrol

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/keys"
)

func ids(t testing.TB, v *Invitations) string {
	t.Helper()
	var out []string
	for _, i := range must(v.List())(t) {
		out = append(out, i.ID)
	}
	return strings.Join(out, " ")
}

func TestCreateChecks(t *testing.T) {
	s := newSite(t)
	before := ids(t, s.v)
	for _, c := range []struct {
		name  string
		role  access.Role
		valid time.Duration
	}{
		{"", access.Child, day}, {"Kisumu", access.Child, day}, {"../x", access.Child, day}, {"nairobi", access.Child, day}, // the hub's own
		{"kisumu", "", day}, {"kisumu", "peer", day}, {"kisumu", access.Child, 0}, {"kisumu", access.Child, -day},
	} {
		if _, _, err := s.v.Create(c.name, c.role, "", s.hub, start, c.valid); err == nil {
			t.Errorf("made: %+v", c)
		}
	}
	if after := ids(t, s.v); after != before {
		t.Errorf("were %s, are %s", before, after)
	}
}

// TestReplaced invites a node again: what was used stays, what was not goes, others' stay.
func TestReplaced(t *testing.T) {
	s := newSite(t)
	must(s.v.Redeem(s.request(t), s.hub, start))(t)
	_, other := s.invite(t, "migori")
	_, second := s.invite(t, "kisumu")
	for _, id := range []string{s.id, other, second} {
		if !strings.Contains(ids(t, s.v), id) {
			t.Errorf("%s is gone", id)
		}
	}
	must(s.v.Redeem(s.request(t), s.hub, start))(t) // the reply may still be needed
	_, third := s.invite(t, "kisumu")
	if now := ids(t, s.v); strings.Contains(now, second) || !strings.Contains(now, third) || !strings.Contains(now, s.id) {
		t.Errorf("first %s, second %s, third %s: there are %s", s.id, second, third, now)
	}
}

func TestCleared(t *testing.T) {
	s := newSite(t)
	must(s.v.Redeem(s.request(t), s.hub, start))(t)
	_, unused := s.invite(t, "migori")
	left := filepath.Join(s.v.dir, ".123"+tempSuffix)
	must(0, os.WriteFile(left, []byte("{"), 0o600))(t)
	own := filepath.Join(s.v.dir, "README")
	must(0, os.WriteFile(own, nil, 0o600))(t)

	create := func(name string, after time.Duration) string {
		_, i, err := s.v.Create(name, access.Child, "", s.hub, start.Add(after), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return i.ID
	}
	create("busia", 31*day-1)
	if now := ids(t, s.v); !strings.Contains(now, s.id) || !strings.Contains(now, unused) {
		t.Errorf("cleared before 30 days were over: %s", now)
	}
	last := create("siaya", 31*day)
	if now := ids(t, s.v); strings.Contains(now, s.id) || strings.Contains(now, unused) || !strings.HasSuffix(now, last) {
		t.Errorf("kept longer than 30 days: %s", now)
	}
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a killed run left: %v", err)
	}
	if _, err := os.Lstat(own); err != nil {
		t.Errorf("a file of somebody's own: %v", err)
	}
}

func TestMaxOpen(t *testing.T) {
	s := newSite(t)
	key := make([]byte, 32)
	for i := range MaxOpen - 1 { // with the site's own: as many as can be
		r := &record{recordVersion, Invitation{ID: fmt.Sprintf("%016x", i), Name: fmt.Sprintf("n%d", i), Role: access.Child, Created: start, Expires: start.Add(day)}, key}
		must(0, os.WriteFile(s.v.path(r.ID), must(json.Marshal(r))(t), 0o600))(t)
	}
	create := func(name string, now time.Time) error {
		_, _, err := s.v.Create(name, access.Child, "", s.hub, now, day)
		return err
	}
	if err := create("migori", start); err == nil || !strings.Contains(err.Error(), "revoke") {
		t.Errorf("one more: %v", err)
	}
	if err := create("kisumu", start); err != nil {
		t.Errorf("one in place of another: %v", err)
	}
	if err := s.v.Revoke(fmt.Sprintf("%016x", 7)); err != nil {
		t.Error(err)
	}
	if err := create("migori", start); err != nil {
		t.Errorf("one after another was revoked: %v", err)
	}
	if err := create("busia", start.Add(day)); err != nil {
		t.Errorf("one after all have expired: %v", err)
	}
}

func TestRevoke(t *testing.T) {
	s := newSite(t)
	must(0, os.WriteFile(filepath.Join(filepath.Dir(s.v.dir), s.id+fileSuffix), nil, 0o600))(t)
	for _, id := range []string{"", "lock", "../" + s.id, strings.Repeat("0", 16), s.id + " ", strings.ToUpper(s.id) + "A"} {
		if err := s.v.Revoke(id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if err := s.v.Revoke(s.id); err != nil || ids(t, s.v) != "" {
		t.Errorf("there are %q: %v", ids(t, s.v), err)
	}
	if err := s.v.Revoke(s.id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a second time: %v", err)
	}
}

// TestDamaged has files that nothing of ours wrote: they are named, and nobody gets in by them.
func TestDamaged(t *testing.T) {
	s := newSite(t)
	q := s.request(t)
	good := string(must(os.ReadFile(s.v.path(s.id)))(t))
	for name, text := range map[string]string{
		"empty":         "",
		"cut":           good[:len(good)/2],
		"zeros":         strings.Repeat("\x00", len(good)),
		"no key":        strings.Replace(good, `"key": "`, `"key": "", "x": "`, 1),
		"short key":     strings.Replace(good, `"key": "`, `"key": "AAAA`, 1),
		"another's":     strings.Replace(good, s.id, strings.Repeat("0", 16), 1),
		"another role":  strings.Replace(good, `"child"`, `"boss"`, 1),
		"no version":    strings.Replace(good, `"omsync_invitation": 1`, `"omsync_invitation": 0`, 1),
		"newer version": strings.Replace(good, `"omsync_invitation": 1`, `"omsync_invitation": 2`, 1),
		"far too long":  strings.Repeat(" ", maxRecord) + good,
	} {
		must(0, os.WriteFile(s.v.path(s.id), []byte(text), 0o600))(t)
		_, errRedeem := s.v.Redeem(q, s.hub, start)
		_, errList := s.v.List()
		_, _, errCreate := s.v.Create("migori", access.Child, "", s.hub, start, day)
		for _, err := range []error{errRedeem, errList, errCreate} {
			if err == nil || errors.Is(err, ErrUnknownToken) || !strings.Contains(err.Error(), s.id) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	must(0, s.v.Revoke(s.id))(t) // the way out
	s.invite(t, "kisumu")
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("access lists say it there")
	}
	dir := filepath.Join(t.TempDir(), "home", "invitations")
	v := must(OpenInvitations(dir))(t)
	_, i, err := v.Create("kisumu", access.Child, "", newNode(t, "nairobi", keys.X25519).Card(), start, day)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Dir(dir): 0o700, v.path(i.ID): 0o600} {
		if got := must(os.Stat(path))(t).Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o", path, got)
		}
	}
	for _, mode := range []fs.FileMode{0o750, 0o705, 0o701, 0o720} {
		must(0, os.Chmod(dir, mode))(t)
		if _, err := OpenInvitations(dir); err == nil || !strings.Contains(err.Error(), "chmod 700") {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if _, err := OpenInvitations(v.path(i.ID)); err == nil {
		t.Error("a file was taken for the folder")
	}
}

// TestKeptWhole fails each write: what was there before must still be.
func TestKeptWhole(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("needs a folder that this user cannot write to")
	}
	s := newSite(t)
	must(0, os.WriteFile(filepath.Join(s.v.dir, lockName), nil, 0o600))(t)
	must(0, os.Chmod(s.v.dir, 0o500))(t)
	defer os.Chmod(s.v.dir, 0o700)
	if _, err := s.v.Redeem(s.request(t), s.hub, start); err == nil {
		t.Error("redeemed without a mark")
	}
	if i := s.invitation(t); i.UsedBy != "" {
		t.Errorf("marked: %+v", i)
	}
}

// TestForget removes a node: its token lets it in no more, and what was made for its return stays.
func TestForget(t *testing.T) {
	s := newSite(t)
	request := s.request(t)
	must(s.v.Redeem(request, s.hub, start))(t)
	_, other := s.invite(t, "migori")
	_, next := s.invite(t, "kisumu")
	if err := s.v.Forget("kisumu"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.v.Redeem(request, s.hub, start); !errors.Is(err, ErrUnknownToken) {
		t.Errorf("the token that was used: %v", err)
	}
	if left := ids(t, s.v); !strings.Contains(left, other) || !strings.Contains(left, next) || strings.Contains(left, s.id) {
		t.Errorf("of %s, %s and %s there are %s", s.id, other, next, left)
	}
}
