package enrol

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/keys"
)

// goldenInvitations returns a folder with the files in testdata/invitations, which must be readable for good.
func goldenInvitations(t *testing.T) *Invitations {
	t.Helper()
	v := newFolder(t)
	paths, err := filepath.Glob(filepath.Join("testdata", "invitations", "*.json"))
	if err != nil || len(paths) != 2 {
		t.Fatalf("%d golden invitations, %v", len(paths), err)
	}
	for _, path := range paths {
		if err := os.WriteFile(filepath.Join(v.dir, filepath.Base(path)), golden(t, "invitations", filepath.Base(path)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

func golden(t *testing.T, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenInvitations(t *testing.T) {
	v := goldenInvitations(t)
	at := time.Date(2026, 11, 28, 9, 30, 0, 123456000, time.UTC)
	want := []Invitation{
		{ID: "c5bd3fd82ebe1e07", Name: "kisumu", Role: access.Child, Created: at, Expires: at.Add(240 * time.Hour),
			UsedBy: "49304-70854-92816-79438-88806-62221-72651", UsedAt: at.Add(time.Hour)},
		{ID: "e90e52c8dc036805", Name: "region", Role: access.Parent, Created: at.Add(time.Minute), Expires: at.Add(time.Minute + 240*time.Hour)},
	}
	got := must(v.List())(t)
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("read as %+v", got)
	}
	// And they are written as they were.
	for _, i := range got {
		if err := v.write(must(v.read(i.ID))(t)); err != nil {
			t.Fatal(err)
		}
		name := i.ID + fileSuffix
		if made := must(os.ReadFile(filepath.Join(v.dir, name)))(t); !bytes.Equal(made, golden(t, "invitations", name)) {
			t.Errorf("written as\n%s", made)
		}
	}
}

// A node that was invited before an update of its hub, or of itself, joins after it.
func TestGoldenTokenAndRequest(t *testing.T) {
	v := goldenInvitations(t)
	hub := must(keys.ParseCard(golden(t, "invited", "hub.card")))(t)
	request := golden(t, "invited", "request")
	j := must(v.Redeem(request, hub, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)))(t)
	if j.Role != access.Child || !j.Repeated || j.ID != "c5bd3fd82ebe1e07" || j.Card.Fingerprint() != "49304-70854-92816-79438-88806-62221-72651" {
		t.Errorf("the request is read as %+v", j)
	}
	lines := strings.Fields(string(golden(t, "invited", "tokens")))
	token := must(ParseToken(lines[0]))(t)
	if got := must(token.ReadReply(request, must(j.Reply(hub))(t)))(t); got.Fingerprint() != hub.Fingerprint() {
		t.Error("the reply is from another hub")
	}
	up := must(ParseToken(lines[1]))(t)
	if !up.From(hub) || up.Role() != access.Parent || up.Pin() != "sha256:"+strings.Repeat("A", 43) || up.id() != "e90e52c8dc036805" {
		t.Errorf("the token of a parent is read with role %s, pin %s", up.Role(), up.Pin())
	}
}

// An invitation holds what lets somebody in: nothing of it may be guessed.
func TestInvitationOfAnotherForm(t *testing.T) {
	const id = "c5bd3fd82ebe1e07"
	text := string(golden(t, "invitations", id+fileSuffix))
	for what, c := range map[string]struct{ text, want string }{
		"newer version": {strings.Replace(text, `"omsync_invitation": 1`, `"omsync_invitation": 2`, 1), "update omsync"},
		"newer fields":  {strings.Replace(text, `"omsync_invitation": 1,`, `"omsync_invitation": 2, "limit": 3,`, 1), "update omsync"},
		"unknown field": {strings.Replace(text, `"role"`, `"limit": 3, "role"`, 1), "is damaged"},
		"unknown role":  {strings.Replace(text, `"child"`, `"sibling"`, 1), "is damaged"},
		"no version":    {strings.Replace(text, `"omsync_invitation": 1,`, ``, 1), "is damaged"},
	} {
		v := goldenInvitations(t)
		if err := os.WriteFile(v.path(id), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := v.List(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
