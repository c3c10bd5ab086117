package page

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/tables"
)

// tablesData is what the view of tables shows: how they go between this node and a peer.
type tablesData struct {
	Peer       string // "": all sites
	Parent     bool   // the peer is this node's parent
	Preset     string
	Told       string
	Tables     []tables.TableRule
	Directions []string
	Presets    []access.Preset
	Wish       string // TABLE=DIRECTION, or a preset: what was asked for
	What       *tables.Set
	Sums       *tables.Sums // of all sites
	Refused    string       // why it cannot be had
}

// directions are those that a table can be given.
func directions() []string { return []string{"both", "down", "up", "add", "own", "none", "default"} }

func (a *asked) tables(name string) (tablesData, error) {
	d := tablesData{Peer: name, Directions: directions(), Presets: access.Presets()}
	err := a.withNode(func(n *node.Node) error {
		if name == "" {
			r, err := tables.ForAll(a.ctx(), n)
			if err == nil {
				d.Preset, d.Tables = r.Preset, r.Tables
			}
			return err
		}
		r, err := tables.OfPeer(a.ctx(), n, name, features.Present())
		if err != nil {
			return err
		}
		d.Preset, d.Told, d.Tables, d.Parent = r.Preset, r.Told, r.Tables, r.Role == access.Parent
		return nil
	})
	return d, err
}

// siteTables returns how the tables go of the site that the address names, or of all.
func (a *asked) siteTables() (tablesData, error) {
	if a.r.PathValue("name") == "" {
		return a.tables("")
	}
	name, err := a.peerName(a.r.PathValue("name"))
	if err != nil {
		return tablesData{}, err
	}
	return a.tables(name)
}

func (p *Page) siteTables(a *asked) error {
	d, err := a.siteTables()
	if err != nil {
		return err
	}
	return a.show(http.StatusOK, "tables", "Tables", d)
}

// wish returns the command that sets what a form asks for, and what that is in a word.
func (a *asked) wish(d tablesData) (args []string, wish string, err error) {
	if err := a.r.ParseForm(); err != nil {
		return nil, "", tooLarge(err)
	}
	f := a.r.PostForm
	preset, table, direction := f.Get("preset"), f.Get("table"), f.Get("direction")
	known := slices.ContainsFunc(d.Tables, func(t tables.TableRule) bool { return t.Table == table })
	switch {
	case preset != "" && slices.Contains(d.Presets, access.Preset(preset)):
		args, wish = []string{"tables", "preset", preset}, preset
	case known && slices.Contains(d.Directions, direction):
		wish = table + "=" + direction
		args = []string{"tables", "set", wish}
	default:
		return nil, "", errNothing
	}
	if d.Peer == "" {
		return append(args, "--brief"), wish, nil
	}
	return append(args, "--peer="+d.Peer), wish, nil
}

// lookAtTables says what would come of a change, and changes nothing.
func (p *Page) lookAtTables(a *asked) error {
	d, err := a.siteTables()
	if err != nil {
		return err
	}
	args, wish, err := a.wish(d)
	if err != nil {
		return err
	}
	printed, err := a.do(Doing{}, append(args, "--dry-run", "--json")...)
	var told notDone
	switch {
	case errors.As(err, &told):
		d.Refused = printed
	case err != nil:
		return err
	case d.Peer == "":
		d.Sums = &tables.Sums{}
		if err := object(printed, d.Sums); err != nil {
			return err
		}
	default:
		d.What = &tables.Set{}
		if err := object(printed, d.What); err != nil {
			return err
		}
	}
	d.Wish = wish
	return a.show(http.StatusOK, "tables", "Tables", d)
}

// setTables changes how tables go.
func (p *Page) setTables(a *asked) error {
	d, err := a.siteTables()
	if err != nil {
		return err
	}
	args, _, err := a.wish(d)
	if err != nil {
		return err
	}
	if d.Peer == "" {
		return a.act([]string{"tables"}, args...)
	}
	return a.act([]string{"sites", d.Peer, "tables"}, args...)
}

// Path is the view's.
func (d tablesData) Path() string {
	if d.Peer == "" {
		return "/tables"
	}
	return "/sites/" + d.Peer + "/tables"
}

// Cuts are references to rows that would not come.
func (d tablesData) Cuts() []tables.Cut {
	if d.Sums != nil {
		return d.Sums.Cuts
	}
	return d.What.Cuts
}

// WishTable and WishDirection are the parts of what was asked for; both are empty if it was a preset.
func (d tablesData) WishTable() string {
	table, _, ok := strings.Cut(d.Wish, "=")
	if !ok {
		return ""
	}
	return table
}

// WishDirection is the direction that was asked for.
func (d tablesData) WishDirection() string {
	_, direction, _ := strings.Cut(d.Wish, "=")
	return direction
}
