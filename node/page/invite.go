package page

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	qr "github.com/piglig/go-qr"

	"github.com/omsync/omsync/enrol"
	"github.com/omsync/omsync/internal/nodename"
	"github.com/omsync/omsync/node"
)

// inviteData is what the view of invitations shows.
type inviteData struct {
	Address     string // at which clinics find this node's server; "": not known
	Invitations []invitationLine
}

// invitationLine is an invitation in the list.
type invitationLine struct {
	enrol.Invitation
	Used, Expired bool
}

// maxInvitations is how many invitations are listed, the newest first.
const maxInvitations = 100

func (p *Page) invitations(a *asked) error {
	d := inviteData{}
	err := a.withNode(func(n *node.Node) error {
		d.Address = n.Serve.URL
		v, err := n.Invitations()
		if err != nil {
			return err
		}
		list, err := v.List()
		if err != nil {
			return err
		}
		slices.Reverse(list)
		for _, i := range list[:min(len(list), maxInvitations)] {
			d.Invitations = append(d.Invitations, invitationLine{i, i.UsedBy != "", i.Expired(time.Now())})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.show(http.StatusOK, "invitations", "Invite a clinic", d)
}

// invited is what omsync invite --json prints.
type invited struct {
	Node        string    `json:"node"` // who is invited
	Hub         string    `json:"hub"`
	URL         string    `json:"url"`
	Expires     time.Time `json:"expires"`
	Fingerprint string    `json:"fingerprint"` // of the hub's card
	Token       string    `json:"token"`
}

// sheetData is what the sheet for a clinic shows. It is shown once: the token is kept nowhere.
type sheetData struct {
	invited
	Figures []string // the fingerprint in groups
	Code    drawing  // of what joins
}

// drawing is black squares on a white one.
type drawing struct {
	Size int    // of a side, in squares
	Path string // as an SVG path has it
}

// validDays are for how long an invitation can be good.
func validDays() []string { return []string{"1d", "7d", "30d"} }

func (p *Page) invite(a *asked) error {
	name, address, valid := a.r.PostFormValue("name"), strings.TrimSuffix(strings.TrimSpace(a.r.PostFormValue("address")), "/"), cmp.Or(a.r.PostFormValue("valid"), "7d")
	say := a.view.printer.Say
	switch {
	case nodename.Check(name) != nil:
		a.refuse(http.StatusUnprocessableEntity, say("A site's name has small letters, digits and hyphens, and begins with a letter: kisumu, say."))
		return nil
	case !validAddress(address):
		a.refuse(http.StatusUnprocessableEntity, say("The address is one as in https://hub.example.org:8443, at which clinics find this computer."))
		return nil
	case !slices.Contains(validDays(), valid):
		return errNothing
	}
	printed, err := a.do(Doing{}, "invite", name, "--json", "--valid="+valid, "--url="+address)
	var told notDone
	switch {
	case errors.As(err, &told):
		a.tell(printed, true)
		a.back("invitations")
		return nil
	case err != nil:
		return err
	}
	d := sheetData{}
	if err := object(printed, &d.invited); err != nil {
		return err
	}
	d.Figures = inGroups(d.Fingerprint)
	if d.Code, err = drawn(fmt.Sprintf("omsync join %s --token %s", d.URL, d.Token)); err != nil {
		return err
	}
	return a.show(http.StatusOK, "sheet", "An invitation", d)
}

// maxAddress is how long an address may be, in bytes: it is to fit into a code that a telephone reads.
const maxAddress = 200

// validAddress reports whether a clinic can find a server by an address.
func validAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxAddress && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" &&
		!strings.ContainsFunc(s, func(c rune) bool {
			return c <= ' ' || c > '~' || c == '\'' || c == '"' || c == '`' || c == '$' || c == '\\'
		})
}

// inGroups parts a fingerprint as it is read out.
func inGroups(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == '-' || c == ':' || c == ' ' })
}

// quiet is how much white there is around a code, in squares: readers need it.
const quiet = 4

// drawn returns a text as a QR code.
func drawn(text string) (drawing, error) {
	code, err := qr.EncodeText(text, qr.Medium)
	if err != nil {
		return drawing{}, fmt.Errorf("draw a code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size() {
		for x := 0; x < code.Size(); x++ {
			if !code.Module(x, y) {
				continue
			}
			from := x
			for x < code.Size() && code.Module(x, y) {
				x++
			}
			fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
		}
	}
	return drawing{code.Size() + 2*quiet, path.String()}, nil
}

// uninvite takes an invitation back.
func (p *Page) uninvite(a *asked) error {
	name := a.r.PathValue("name")
	if nodename.Check(name) != nil {
		return errNothing
	}
	return a.act([]string{"invitations"}, "invite", "--revoke", name)
}

// joinForm asks a clinic for what the hub's people gave it.
func (p *Page) joinForm(a *asked) error {
	return a.show(http.StatusOK, "join", "Join a hub", nil)
}

// maxToken is how long a token may be, in bytes.
const maxToken = 500

// join takes the node to a hub. The token goes by standard input: no log has it.
func (p *Page) join(a *asked) error {
	address, token := strings.TrimSuffix(strings.TrimSpace(a.r.PostFormValue("address")), "/"), strings.TrimSpace(a.r.PostFormValue("token"))
	if !validAddress(address) || token == "" || len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		a.refuse(http.StatusUnprocessableEntity, a.view.printer.Say("Both are on the sheet that the hub's people gave you: the address, as in https://hub.example.org:8443, and the token, which begins with omsync-."))
		return nil
	}
	printed, err := a.do(Doing{Input: token + "\n"}, "join", address, "--token", "-", "--yes")
	var told notDone
	if err != nil && !errors.As(err, &told) {
		return err
	}
	a.tell(printed, err != nil)
	if err != nil {
		a.back("join")
		return nil
	}
	a.back("")
	return nil
}
