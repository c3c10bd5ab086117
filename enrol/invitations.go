package enrol

import (
	"cmp"
	"crypto/hmac"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/keys"
)

const (
	// MaxOpen is the most invitations that are neither used nor expired.
	MaxOpen = 1000
	// keep is how long an invitation that has expired can still be listed.
	keep = 30 * 24 * time.Hour
)

// Invitation is what a hub knows of a token that it made.
type Invitation struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"` // of the node that is invited
	Role    access.Role `json:"role"` // what it will be to this one
	Created time.Time   `json:"created"`
	Expires time.Time   `json:"expires"` // from this moment on it is no longer good
	UsedBy  string      `json:"used_by"` // fingerprint of the card that joined; "": none yet
	UsedAt  time.Time   `json:"used_at,omitzero"`
}

// Expired reports whether the invitation is too old.
func (i Invitation) Expired(now time.Time) bool { return !now.Before(i.Expires) }

// Open reports whether somebody can still join by it for the first time.
func (i Invitation) Open(now time.Time) bool { return i.UsedBy == "" && !i.Expired(now) }

// Create invites the node of this name and returns the token, which is not kept: it cannot be shown again. An older
// invitation of the same name that nobody has used is revoked. The pin, if any, is of the TLS certificate that the hub
// answers with (see [Token.Pin]); hub is this node's card. What expired 30 days ago or earlier is cleared away.
func (v *Invitations) Create(name string, role access.Role, pin string, hub keys.Card, now time.Time, valid time.Duration) (Token, *Invitation, error) {
	if err := keys.ValidName(name); err != nil {
		return Token{}, nil, fmt.Errorf("invite: %w", err)
	}
	if name == hub.Name {
		return Token{}, nil, fmt.Errorf("invite %s: that is this node's own name, and every node needs another", name)
	}
	if valid <= 0 {
		return Token{}, nil, fmt.Errorf("invite %s: it must be valid for longer than %v", name, valid)
	}
	t, err := newToken(role, pin, hub)
	if err != nil {
		return Token{}, nil, fmt.Errorf("invite %s: %w", name, err)
	}
	now = now.UTC().Round(0)
	r := &record{Version: recordVersion, Key: t.key(), Invitation: Invitation{ID: t.id(), Name: name, Role: role, Created: now, Expires: now.Add(valid)}}
	if err := v.create(r, now); err != nil {
		return Token{}, nil, fmt.Errorf("invite %s: %w", name, err)
	}
	return t, &r.Invitation, nil
}

func (v *Invitations) create(r *record, now time.Time) error {
	unlock, err := v.lock.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := v.clearTemps(); err != nil {
		return err
	}
	all, err := v.readAll()
	if err != nil {
		return err
	}
	open := 0
	var gone []string
	for _, old := range all {
		switch {
		case old.UsedBy == "" && old.Name == r.Name, now.Sub(old.Expires) >= keep:
			gone = append(gone, old.ID)
		case old.Open(now):
			open++
		}
	}
	if open >= MaxOpen {
		return fmt.Errorf("%d invitations are open already: revoke those that nobody needs", open)
	}
	if err := v.write(r); err != nil {
		return err
	}
	return v.remove(gone...)
}

// List returns all invitations, oldest first: open, used, and expired in the last 30 days or more.
func (v *Invitations) List() ([]Invitation, error) {
	unlock, err := v.lock.Lock()
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	defer unlock()
	all, err := v.readAll()
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	out := make([]Invitation, len(all))
	for i, r := range all {
		out[i] = r.Invitation
	}
	slices.SortFunc(out, func(a, b Invitation) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// Revoke makes an invitation void and forgets it. A peer that joined by it stays one. The error is fs.ErrNotExist if
// there is none of this id.
func (v *Invitations) Revoke(id string) error {
	unlock, err := v.lock.Lock()
	if err != nil {
		return fmt.Errorf("revoke invitation: %w", err)
	}
	defer unlock()
	if err := v.exists(id); err != nil {
		return fmt.Errorf("revoke invitation %.40q: %w", id, err)
	}
	if err := v.remove(id); err != nil {
		return fmt.Errorf("revoke invitation %s: %w", id, err)
	}
	return nil
}

// Forget makes void the invitations of this name by which a card has joined: a node that is no peer any more must not get in
// again by the token that it still has. Those that nobody has used stay.
func (v *Invitations) Forget(name string) error {
	unlock, err := v.lock.Lock()
	if err != nil {
		return fmt.Errorf("forget invitations of %s: %w", name, err)
	}
	defer unlock()
	all, err := v.readAll()
	if err != nil {
		return fmt.Errorf("forget invitations of %s: %w", name, err)
	}
	var used []string
	for _, r := range all {
		if r.Name == name && r.UsedBy != "" {
			used = append(used, r.ID)
		}
	}
	if err := v.remove(used...); err != nil {
		return fmt.Errorf("forget invitations of %s: %w", name, err)
	}
	return nil
}

// Redeem checks a request that came with a token. If it is good, the invitation is marked as used by its card, and lasting
// so, before Redeem returns; of two cards at once, one gets in. The caller then adds the card as a peer, also if
// Joining.Repeated is set (it may have been stopped before it could), and sends the reply. hub is this node's card.
//
// Errors: [ErrBadRequest]; [ErrUnknownToken]; and, only to one who has the token, [ErrExpired], [ErrName] and [ErrUsed].
// Any other error is this computer's and none of the sender's business.
func (v *Invitations) Redeem(request []byte, hub keys.Card, now time.Time) (*Joining, error) {
	q, card, err := readRequest(request)
	if err != nil {
		return nil, err
	}
	if q.open() {
		return nil, fmt.Errorf("%w: it has no token, and this hub takes only nodes that it invited", ErrBadRequest)
	}
	unlock, err := v.lock.Lock()
	if err != nil {
		return nil, fmt.Errorf("redeem invitation: %w", err)
	}
	defer unlock()
	r, err := v.read(q.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrUnknownToken
	} else if err != nil {
		return nil, fmt.Errorf("redeem invitation: %w", err)
	}
	by := card.Fingerprint()
	switch {
	case !hmac.Equal(q.mac(r.Key, digest(hub)), q.MAC):
		return nil, ErrUnknownToken
	case r.Expired(now):
		return nil, fmt.Errorf("%w; it was good until %s", ErrExpired, r.Expires.Format("2006-01-02 15:04 MST"))
	case r.Name != card.Name:
		return nil, fmt.Errorf("%w; it is for %s, and this is %s", ErrName, r.Name, card.Name)
	case r.UsedBy != "" && r.UsedBy != by:
		return nil, ErrUsed
	}
	j := &Joining{Card: card, Role: r.Role, ID: r.ID, Repeated: r.UsedBy != "", request: q, hub: digest(hub)}
	j.key = func() []byte { return r.Key }
	if j.Repeated {
		return j, nil
	}
	r.UsedBy, r.UsedAt = by, now.UTC().Round(0)
	if err := v.write(r); err != nil {
		return nil, fmt.Errorf("redeem invitation: %w", err)
	}
	return j, nil
}
