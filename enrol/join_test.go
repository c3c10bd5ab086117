package enrol

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/keys"
)

func TestJoin(t *testing.T) {
	pin := "sha256:" + strings.Repeat("A", 43)
	for _, kind := range []keys.Kind{keys.Hybrid, keys.X25519} {
		for _, role := range []access.Role{access.Child, access.Parent} {
			v, hub, clinic := newFolder(t), newNode(t, "nairobi", kind).Card(), newNode(t, "kisumu", kind)
			made, i, err := v.Create("kisumu", role, pin, hub, start, day)
			if err != nil {
				t.Fatal(err)
			}
			token := must(ParseToken(made.String()))(t)
			if token.Role() != role || token.Pin() != pin {
				t.Errorf("token for %s with pin %s", token.Role(), token.Pin())
			}
			q := must(token.Request(clinic))(t)
			if IsOpen(q) {
				t.Error("a request with a token is taken for an open one")
			}
			j, err := v.Redeem(q, hub, start.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(j.Card, clinic.Card()) || j.Role != role || j.Repeated || j.ID != i.ID {
				t.Errorf("joined: %+v", j)
			}
			got, err := token.ReadReply(q, must(j.Reply(hub))(t))
			if err != nil || !reflect.DeepEqual(got, hub) {
				t.Errorf("the hub's card: %+v, %v", got, err)
			}
			want := Invitation{ID: i.ID, Name: "kisumu", Role: role, Created: start, Expires: start.Add(day),
				UsedBy: clinic.Card().Fingerprint(), UsedAt: start.Add(time.Hour)}
			if list := must(v.List())(t); !reflect.DeepEqual(list, []Invitation{want}) {
				t.Errorf("listed: %+v", list)
			}
		}
	}
}

// TestLostReply joins again, also from a new run of the hub.
func TestLostReply(t *testing.T) {
	s := newSite(t)
	q := s.request(t)
	first := must(must(s.v.Redeem(q, s.hub, start))(t).Reply(s.hub))(t)
	for _, v := range []*Invitations{s.v, must(OpenInvitations(s.v.dir))(t)} {
		j, err := v.Redeem(s.request(t), s.hub, start.Add(day-1))
		if err != nil {
			t.Fatal(err)
		}
		if again := must(j.Reply(s.hub))(t); !j.Repeated || !bytes.Equal(again, first) {
			t.Errorf("again %v, reply %s, first %s", j.Repeated, again, first)
		}
	}
	if i := s.invitation(t); !i.UsedAt.Equal(start) {
		t.Errorf("used at %v", i.UsedAt)
	}
	if _, err := s.v.Redeem(q, s.hub, start.Add(day)); !errors.Is(err, ErrExpired) {
		t.Errorf("again when it has expired: %v", err)
	}
}

func TestRefused(t *testing.T) {
	now := start.Add(time.Hour)
	for name, c := range map[string]struct {
		do   func(t *testing.T, s *site) []byte
		want error
	}{
		"expired": {func(t *testing.T, s *site) []byte { now = start.Add(day); return s.request(t) }, ErrExpired},
		"revoked": {func(t *testing.T, s *site) []byte {
			must(0, s.v.Revoke(s.id))(t)
			return s.request(t)
		}, ErrUnknownToken},
		"replaced": {func(t *testing.T, s *site) []byte { s.invite(t, "kisumu"); return s.request(t) }, ErrUnknownToken},
		"another's": {func(t *testing.T, s *site) []byte {
			s.token.secret[0] ^= 1
			return s.request(t)
		}, ErrUnknownToken},
		"right id, wrong key": {func(t *testing.T, s *site) []byte {
			q := &request{Version: 1, ID: s.id, Card: string(s.clinic.Card().Marshal())}
			q.MAC = q.mac(make([]byte, 32), s.token.card)
			return must(q.sign(s.clinic))(t)
		}, ErrUnknownToken},
		"wrong id, no key": {func(t *testing.T, s *site) []byte {
			q := &request{Version: 1, ID: strings.Repeat("0", 16), Card: string(s.clinic.Card().Marshal())}
			q.MAC = q.mac(nil, s.token.card)
			return must(q.sign(s.clinic))(t)
		}, ErrUnknownToken},
		"another hub card": {func(t *testing.T, s *site) []byte { s.token.card[0] ^= 1; return s.request(t) }, ErrUnknownToken},
		"another name":     {func(t *testing.T, s *site) []byte { s.clinic = newNode(t, "migori", keys.X25519); return s.request(t) }, ErrName},
		"another card": {func(t *testing.T, s *site) []byte {
			must(s.v.Redeem(s.request(t), s.hub, now))(t)
			s.clinic = newNode(t, "kisumu", keys.X25519)
			return s.request(t)
		}, ErrUsed},
		"without the signing key": {func(t *testing.T, s *site) []byte { // by one who has the token and somebody's card
			q := &request{Version: 1, ID: s.id, Card: string(s.clinic.Card().Marshal())}
			q.MAC = q.mac(s.token.key(), s.token.card)
			return must(q.sign(newNode(t, "kisumu", keys.X25519)))(t)
		}, ErrBadRequest},
		"card with other line ends": {func(t *testing.T, s *site) []byte {
			q := &request{Version: 1, ID: s.id, Card: strings.ReplaceAll(string(s.clinic.Card().Marshal()), "\n", "\r\n")}
			q.MAC = q.mac(s.token.key(), s.token.card)
			return must(q.sign(s.clinic))(t)
		}, ErrBadRequest},
		"open":      {func(t *testing.T, s *site) []byte { return must(OpenRequest(s.clinic))(t) }, ErrBadRequest},
		"nothing":   {func(t *testing.T, s *site) []byte { return nil }, ErrBadRequest},
		"its reply": {func(t *testing.T, s *site) []byte { return replyTo(t, s, s.request(t)) }, ErrBadRequest},
		"too long":  {func(t *testing.T, s *site) []byte { return append(s.request(t), make([]byte, MaxMessage)...) }, ErrBadRequest},
		"newer": {func(t *testing.T, s *site) []byte {
			return bytes.Replace(s.request(t), []byte(`"omsync_join":1`), []byte(`"omsync_join":2`), 1)
		}, ErrBadRequest},
		"path": {func(t *testing.T, s *site) []byte {
			q := &request{Version: 1, ID: "../" + s.id, Card: string(s.clinic.Card().Marshal())}
			q.MAC = q.mac(s.token.key(), s.token.card)
			return must(q.sign(s.clinic))(t)
		}, ErrBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			now = start.Add(time.Hour)
			s := newSite(t)
			q := c.do(t, s)
			before := must(s.v.List())(t)
			j, err := s.v.Redeem(q, s.hub, now)
			if !errors.Is(err, c.want) || j != nil {
				t.Fatalf("%+v, %v", j, err)
			}
			for _, other := range []error{ErrUnknownToken, ErrExpired, ErrUsed, ErrName, ErrBadRequest} {
				if other != c.want && errors.Is(err, other) {
					t.Errorf("it is also %v", other)
				}
			}
			if c.want == ErrUnknownToken && err.Error() != ErrUnknownToken.Error() {
				t.Errorf("unknown and wrong tokens can be told apart: %v", err)
			}
			if after := must(s.v.List())(t); !reflect.DeepEqual(before, after) {
				t.Errorf("invitations were %+v and are %+v", before, after)
			}
		})
	}
}

func replyTo(t *testing.T, s *site, q []byte) []byte {
	return must(must(s.v.Redeem(q, s.hub, start))(t).Reply(s.hub))(t)
}

// TestTampered changes requests and replies in any place: by single bytes, and in ways that JSON readers do not mind.
func TestTampered(t *testing.T) {
	s := newSite(t)
	q := s.request(t)
	r := replyTo(t, s, q)
	openQ := must(OpenRequest(s.clinic))(t)
	openR := must(must(ReadOpen(openQ))(t).Reply(s.hub))(t)
	read := map[string]struct {
		good []byte
		read func(b []byte) error
		want error
	}{
		"request":      {q, func(b []byte) error { _, err := s.v.Redeem(b, s.hub, start); return err }, nil},
		"reply":        {r, func(b []byte) error { _, err := s.token.ReadReply(q, b); return err }, ErrBadReply},
		"open request": {openQ, func(b []byte) error { _, err := ReadOpen(b); return err }, ErrBadRequest},
		"open reply":   {openR, func(b []byte) error { _, err := ReadOpenReply(openQ, b); return err }, ErrBadReply},
	}
	for name, c := range read {
		if err := c.read(c.good); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"request", "reply", "open request", "open reply"}).Draw(t, "what")
		c := read[name]
		b := bytes.Clone(c.good)
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		x := rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte(" \n,:{}\"\\"))).Draw(t, "byte")
		switch rapid.SampledFrom([]string{"change", "bit", "insert", "remove", "cut", "case", "escape", "twice", "more"}).Draw(t, "how") {
		case "change":
			b[at] = x
		case "bit":
			b[at] ^= 1 << (x % 8)
		case "insert":
			b = slices.Insert(b, at, x)
		case "remove":
			b = slices.Delete(b, at, at+1)
		case "cut":
			b = b[:at]
		case "case":
			b = bytes.Replace(b, []byte(`"card"`), []byte(`"Card"`), 1)
		case "escape":
			b = bytes.Replace(b, []byte(`omsync card`), []byte(`\u006fmsync card`), 1)
		case "twice":
			b = bytes.Replace(b, []byte(`"card"`), []byte(`"card":"","card"`), 1)
		case "more":
			b = bytes.Replace(b, []byte(`"card"`), []byte(`"more":0,"card"`), 1)
		}
		if bytes.Equal(b, c.good) {
			t.Skip("as it was")
		}
		if err := c.read(b); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Fatalf("%s taken or refused wrongly: %v\n%s", name, err, b)
		}
	})
}

// TestManInTheMiddle has all that travels, a card of his own and no token.
func TestManInTheMiddle(t *testing.T) {
	s := newSite(t)
	his := newNode(t, "kisumu", keys.X25519)
	hisHub := newNode(t, "nairobi", keys.X25519).Card()
	q := s.request(t)
	var sent request
	must(0, json.Unmarshal(q, &sent))(t)
	forged := sent
	forged.Card = string(his.Card().Marshal())
	if _, err := s.v.Redeem(must(forged.sign(his))(t), s.hub, start); !errors.Is(err, ErrUnknownToken) {
		t.Errorf("his card for the clinic's: %v", err)
	}
	r := replyTo(t, s, q)
	var answer reply
	must(0, json.Unmarshal(r, &answer))(t)
	answer.Card = string(hisHub.Marshal())
	for name, r := range map[string]reply{
		"the hub's mac": answer,
		"no key":        {1, answer.Card, answer.mac(nil, &sent)},
		"no mac":        {1, answer.Card, nil},
		"request's mac": {1, answer.Card, sent.MAC},
	} {
		if c, err := s.token.ReadReply(q, must(encode(&r))(t)); !errors.Is(err, ErrBadReply) {
			t.Errorf("his card for the hub's, with %s: %v, %v", name, c, err)
		}
	}
	// The hub's reply to another node, or to another request.
	other, _ := s.invite(t, "migori")
	migori := newNode(t, "migori", keys.X25519)
	otherQ := must(other.Request(migori))(t)
	otherR := replyTo(t, s, otherQ)
	if _, err := s.token.ReadReply(q, otherR); !errors.Is(err, ErrBadReply) {
		t.Errorf("the reply to another: %v", err)
	}
	if _, err := s.token.ReadReply(otherQ, otherR); !errors.Is(err, ErrBadRequest) {
		t.Errorf("another token's exchange: %v", err)
	}
	if _, err := s.token.ReadReply(must(OpenRequest(s.clinic))(t), r); !errors.Is(err, ErrBadRequest) {
		t.Errorf("a reply to an open request by a token: %v", err)
	}
	// One who got at the token all the same cannot put in another hub.
	answer.MAC = answer.mac(s.token.key(), &sent)
	if _, err := s.token.ReadReply(q, must(encode(&answer))(t)); !errors.Is(err, ErrBadReply) {
		t.Errorf("another hub's card with the right mac: %v", err)
	}
}

// TestSecretStays looks for the secret in all that travels and all that is kept.
func TestSecretStays(t *testing.T) {
	s := newSite(t)
	q := s.request(t)
	kept := must(os.ReadFile(s.v.path(s.id)))(t)
	for what, b := range map[string][]byte{"request": q, "reply": replyTo(t, s, q), "file": kept} {
		for name, secret := range map[string][]byte{"secret": s.token.secret[:], "key": s.token.key()} {
			if what == "file" && name == "key" {
				continue
			}
			for _, spelt := range []string{string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret)[:20], s.token.String()[10:28]} {
				if bytes.Contains(b, []byte(spelt)) {
					t.Errorf("the %s holds the %s", what, name)
				}
			}
		}
	}
}

// TestTwoAtOnce has many cards and many runs of the hub: one card wins, and its repeats do too.
func TestTwoAtOnce(t *testing.T) {
	for range 10 {
		s := newSite(t)
		clinics := []*keys.Identity{s.clinic, newNode(t, "kisumu", keys.X25519)}
		const n = 12
		var folders [n]*Invitations
		var requests [n][]byte
		for i := range n {
			folders[i] = must(OpenInvitations(s.v.dir))(t)
			requests[i] = must(s.token.Request(clinics[i%2]))(t)
		}
		var won [n]*Joining
		var errs [n]error
		atOnce(n, func(i int) { won[i], errs[i] = folders[i/4].Redeem(requests[i], s.hub, start) })
		first := 0
		by := s.invitation(t).UsedBy
		for i := range n {
			if mine := clinics[i%2].Card().Fingerprint() == by; mine != (errs[i] == nil) || !mine && !errors.Is(errs[i], ErrUsed) {
				t.Errorf("mine %v: %v", mine, errs[i])
			}
			if won[i] != nil && !won[i].Repeated {
				first++
			}
		}
		if first != 1 {
			t.Errorf("%d were the first", first)
		}
	}
}

func TestOpenRegistration(t *testing.T) {
	hub, clinic := newNode(t, "nairobi", keys.Hybrid).Card(), newNode(t, "kisumu", keys.Hybrid)
	q := must(OpenRequest(clinic))(t)
	if !IsOpen(q) {
		t.Error("an open request is not taken for one")
	}
	j := must(ReadOpen(q))(t)
	if !reflect.DeepEqual(j.Card, clinic.Card()) || j.Role != access.Child || j.ID != "" {
		t.Errorf("joined: %+v", j)
	}
	r := must(j.Reply(hub))(t)
	if got, err := ReadOpenReply(q, r); err != nil || !reflect.DeepEqual(got, hub) {
		t.Errorf("the hub's card: %+v, %v", got, err)
	}
	if _, err := ReadOpenReply(must(OpenRequest(newNode(t, "migori", keys.X25519)))(t), r); !errors.Is(err, ErrBadReply) {
		t.Errorf("the reply to another: %v", err)
	}
	s := newSite(t)
	if _, err := ReadOpen(s.request(t)); !errors.Is(err, ErrBadRequest) {
		t.Errorf("a request with a token: %v", err)
	}
	for _, b := range []string{"", "{}", "null", "[]", `{"card":"x"}`, string(r), string(s.request(t))} {
		if IsOpen([]byte(b)) {
			t.Errorf("%q is taken for an open request", b)
		}
	}
	// What the signature does not cover is not there.
	var more request
	must(0, json.Unmarshal(q, &more))(t)
	more.MAC = make([]byte, 32)
	if _, err := ReadOpen(must(encode(&more))(t)); !errors.Is(err, ErrBadRequest) {
		t.Errorf("an open request with a mac: %v", err)
	}
	// A signature with a token is none without.
	var cut request
	must(0, json.Unmarshal(s.request(t), &cut))(t)
	cut.ID, cut.MAC = "", nil
	if _, err := ReadOpen(must(encode(&cut))(t)); !errors.Is(err, ErrBadRequest) {
		t.Errorf("a request without its token: %v", err)
	}
}

func TestMisuse(t *testing.T) {
	s := newSite(t)
	if _, err := (Token{}).Request(s.clinic); err == nil {
		t.Error("a request without a token")
	}
	if _, err := (&Joining{}).Reply(s.hub); err == nil {
		t.Error("a reply to nothing")
	}
	j := must(s.v.Redeem(s.request(t), s.hub, start))(t)
	if _, err := j.Reply(newNode(t, "nairobi", keys.X25519).Card()); err == nil {
		t.Error("a reply with a card that the node will refuse")
	}
}

func FuzzRedeem(f *testing.F) {
	s := newSite(f)
	q := s.request(f)
	f.Add(q)
	f.Add(must(OpenRequest(s.clinic))(f))
	f.Add([]byte(`{"omsync_join":1,"invitation":"` + s.id + `","card":"","mac":"","signature":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		IsOpen(b)
		if _, err := s.v.Redeem(b, s.hub, start); (err == nil) != bytes.Equal(b, q) {
			t.Errorf("%v: %q", err, b)
		}
		if _, err := ReadOpen(b); err == nil && !IsOpen(b) {
			t.Errorf("open and not open: %q", b)
		}
	})
}

func FuzzReadReply(f *testing.F) {
	s := newSite(f)
	q := s.request(f)
	r := must(must(s.v.Redeem(q, s.hub, start))(f).Reply(s.hub))(f)
	open := must(OpenRequest(s.clinic))(f)
	f.Add(r)
	f.Add(must(must(ReadOpen(open))(f).Reply(s.hub))(f))
	f.Add([]byte(`{"omsync_joined":1,"card":"","mac":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := s.token.ReadReply(q, b); (err == nil) != bytes.Equal(b, r) {
			t.Errorf("%v: %q", err, b)
		}
		ReadOpenReply(open, b)
	})
}
