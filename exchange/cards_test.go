package exchange

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/exchange/cards"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/keys/rotation"
)

// rotate gives the node new keys.
func (n *node) rotate() {
	n.t.Helper()
	if err := n.x.RotateKeys(n.t.Context(), keys.X25519); err != nil {
		n.t.Fatal(err)
	}
}

// cards returns which cards count with a peer.
func (n *node) cards(peer string) *cards.Peer {
	n.t.Helper()
	c, err := n.x.Cards(n.peer(peer))
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

func (n *node) card() string { return n.x.Keys.Card().Fingerprint() }

// exchangeOver has two nodes exchange files by a folder until neither has anything to say, and sees that nothing went wrong.
func exchangeOver(t *testing.T, folder string, nodes ...*node) {
	t.Helper()
	for range 15 {
		quiet := true
		for _, n := range nodes {
			n.sync(folder)
			for _, s := range n.told {
				quiet = false
				if strings.HasPrefix(s, "error") || strings.HasPrefix(s, "trouble") || strings.HasPrefix(s, "refused") {
					t.Errorf("%s: %s", n.Name, s)
				}
			}
		}
		if quiet {
			return
		}
	}
	t.Error("the nodes go on for ever")
}

// New keys become known by files alone, one way after the other and both at once, and what was encrypted to the old ones is read.
func TestRotatedKeys(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	meet(hub, kisumu)
	folder := t.TempDir()
	exchangeOver(t, folder, hub, kisumu)
	for i, who := range [][]*node{{kisumu}, {hub}, {hub, kisumu}, {kisumu, kisumu, kisumu}} {
		hub.write("h", strings.Repeat("h", i+1))
		hub.post("kisumu") // encrypted to the card of before
		before := kisumu.card()
		for _, n := range who {
			n.rotate()
		}
		kisumu.write("k", strings.Repeat("k", i+1))
		exchangeOver(t, folder, kisumu, hub)
		same(t, map[string]*node{"hub": hub, "kisumu": kisumu})
		if got := hub.cards("kisumu"); got.Present != kisumu.card() || got.Next != "" || got.Takes(before, func(string) bool { return false }) != (before == kisumu.card()) {
			t.Errorf("%d: the hub takes %+v of kisumu, whose card is %s", i, got.Peer, kisumu.card())
		}
		if got := kisumu.cards("hub"); got.Present != hub.card() || got.Next != "" {
			t.Errorf("%d: kisumu takes %+v of the hub, whose card is %s", i, got.Peer, hub.card())
		}
		if got := hub.peer("kisumu"); string(got.Card) != string(kisumu.x.Keys.Card().Marshal()) {
			t.Errorf("%d: the hub's database has another card of kisumu", i)
		}
	}
}

// A card that nobody knows of yet waits for a peer that does not speak of cards, which goes on by the one that it has.
func TestRotatedKeysWithAPeerOfBefore(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	meet(hub, kisumu)
	if err := cards.Forget(kisumu.x.Home, "hub"); err != nil { // it has said nothing of cards
		t.Fatal(err)
	}
	kisumu.rotate()
	kisumu.write("k", "new")
	hub.deliver(kisumu)
	folder, err := Outbox(kisumu.x.Home, "hub")
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	for _, name := range kisumu.waiting("hub") {
		if h, err := headerIn(t.Context(), folder, name); err != nil || len(h.NewCard()) != 0 || len(h.Cards()) == 0 {
			t.Errorf("the header says %q: %v", h.Requests, err)
		}
	}
	hub.count(1, "by the card of before")
	if id := Signers(kisumu.x.Keys, kisumu.peer("hub"), kisumu.cards("hub"))[0]; id.Card().Fingerprint() == kisumu.card() {
		t.Error("it signs with the new keys")
	}
	// Then the peer is updated: its next file says which card it has.
	exchangeOver(t, t.TempDir(), hub, kisumu)
	if got := hub.cards("kisumu").Present; got != kisumu.card() {
		t.Errorf("the hub takes %s, and the card is %s", got, kisumu.card())
	}
}

// Old files signed with a key that no longer counts do no harm, and their card does not come back.
func TestOldFileAfterNewKeys(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	meet(hub, kisumu)
	old, folder := t.TempDir(), t.TempDir()
	exchangeOver(t, folder, hub, kisumu)
	kisumu.write("k", "old")
	kisumu.sync(old)
	kisumu.rotate()
	kisumu.write("k", "new")
	exchangeOver(t, folder, kisumu, hub)
	card := kisumu.card()
	hub.sync(old)
	if hub.heard("error") || hub.heard("applied") || hub.heard("trouble") {
		t.Errorf("an old file: %q", hub.told)
	}
	if got := hub.cards("kisumu"); got.Present != card || got.Next != "" {
		t.Errorf("it has %+v", got.Peer)
	}
	same(t, map[string]*node{"hub": hub, "kisumu": kisumu})
}

// Two nodes of which one's database, or home folder's records, are of before a rotation find each other again.
func TestRotatedKeysAndRestores(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	meet(hub, kisumu)
	folder := t.TempDir()
	exchangeOver(t, folder, hub, kisumu)
	before := string(hub.peer("kisumu").Card)
	kisumu.rotate()
	exchangeOver(t, folder, kisumu, hub)

	// The hub's database has the card of before: the home folder knows better.
	dbtest.Exec(t, hub.DB, "UPDATE omsync_peer SET card = '"+before+"' WHERE name = 'kisumu'")
	kisumu.write("k", "database")
	exchangeOver(t, folder, kisumu, hub)
	if string(hub.peer("kisumu").Card) == before {
		t.Error("the database keeps the card of before")
	}

	// Both are of before: kisumu, which hears that, signs with its old key again, until the hub knows the new one.
	dbtest.Exec(t, hub.DB, "UPDATE omsync_peer SET card = '"+before+"' WHERE name = 'kisumu'")
	if err := cards.Forget(hub.x.Home, "kisumu"); err != nil {
		t.Fatal(err)
	}
	hub.write("h", "restored")
	kisumu.write("k", "restored")
	hub.sync(folder)
	for range 3 {
		kisumu.sync(folder)
		hub.sync(folder)
	}
	exchangeOver(t, folder, kisumu, hub)
	if got := hub.cards("kisumu"); got.Present != kisumu.card() {
		t.Errorf("the hub takes %+v of kisumu, whose card is %s", got.Peer, kisumu.card())
	}
	same(t, map[string]*node{"hub": hub, "kisumu": kisumu})

	// Kisumu has forgotten what the hub has.
	if err := cards.Forget(kisumu.x.Home, "hub"); err != nil {
		t.Fatal(err)
	}
	kisumu.write("k", "forgotten")
	hub.write("h", "forgotten")
	hub.sync(folder)
	kisumu.sync(folder)
	hub.sync(folder)
	exchangeOver(t, folder, kisumu, hub)
	same(t, map[string]*node{"hub": hub, "kisumu": kisumu})
}

// Former keys are kept as long as a peer may use them, and half a year.
func TestForgetKeys(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	meet(hub, kisumu)
	kisumu.rotate()
	late := time.Now().Add(rotation.Keep + time.Hour)
	forget := func(at time.Time, want int) {
		t.Helper()
		if n, err := kisumu.x.ForgetKeys(t.Context(), at); err != nil || n != want {
			t.Errorf("%d were forgotten: %v", n, err)
		}
	}
	forget(late, 0)
	exchangeOver(t, t.TempDir(), kisumu, hub)
	forget(time.Now(), 0)
	forget(late, 1)
	id, err := keys.Load(kisumu.x.Home, "kisumu")
	if err != nil || len(id.Former()) != 0 {
		t.Errorf("%v, %v", id.Former(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(kisumu.x.Home, keys.FormerName, "*")); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}
