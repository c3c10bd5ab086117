package merge_test

import (
	"fmt"

	"github.com/omsync/omsync/merge"
)

// A clinic and its hub have edited the same column, neither having seen the other's value. At the hub, the clinic's row comes in.
func ExampleImport_Settle() {
	name := merge.Bit(1)
	const clinic merge.Peer = 1

	// What both had: the hub made the row in its epoch 1, and the clinic has acknowledged that.
	made := merge.Stamper{Self: "hub", Epoch: 1}.Insert(merge.Row{}, name, 1000)
	// The hub's edit, and the clinic's, which was later.
	here := merge.Stamper{Self: "hub", Epoch: 2}.Edit(made, name, 2000)
	there := merge.Stamper{Self: "kisumu", Epoch: 8}.Edit(made, name, 3000)

	in := merge.Incoming{Alive: true, Ack: 1}
	for _, g := range there.Groups {
		s := merge.Sent{Stamp: g.Stamp}
		if g.Meets(name) {
			s.Epoch = 8 // made at the clinic: epoch 0 stands for what the clinic has from the hub
		}
		in.Groups = append(in.Groups, merge.SentGroup{Mask: g.Mask, Sent: s})
	}
	im := merge.Import{Self: "hub", Peer: clinic, Epoch: 3, Applied: 7, Valid: true}
	for _, policy := range []merge.Policy{merge.Newest, merge.Parent} {
		out := im.Settle(here, in, merge.All(policy), merge.Compare{}, false)
		c := out.Conflicts[0]
		fmt.Printf("written: %t; lost: the value of %s, incoming: %t\n", out.Write.Meets(name), c.Loser.Author, c.Incoming)
	}
	// Output:
	// written: true; lost: the value of hub, incoming: false
	// written: false; lost: the value of kisumu, incoming: true
}

// Two nodes at their first exchange: a full load, and the acknowledgement that comes back with the next header.
func ExamplePlanExport() {
	end := merge.Position{Epoch: 5, Token: 0xaaaa}
	hub := merge.History{ID: 1, Has: func(p merge.Position) bool { return p == end }}
	clinic := merge.History{ID: 2, Has: func(merge.Position) bool { return false }}
	atHub, atClinic := merge.Link{Number: 10}, merge.Link{Number: 20}

	h, full := merge.PlanExport(&hub, &atHub, merge.ExportRequest{})
	h.Upto, h.Last = end, true
	merge.RecordExport(&hub, &atHub, h, 1000, 0)
	fmt.Println("full load:", full)

	if d := merge.Receive(&clinic, &atClinic, h); d.Verdict == merge.Apply {
		merge.RecordImport(&atClinic, h, 1, true)
	}
	fmt.Println("applied at the clinic:", atClinic.Applied.Epoch)

	back, _ := merge.PlanExport(&clinic, &atClinic, merge.ExportRequest{})
	merge.Receive(&hub, &atHub, back)
	fmt.Println("acknowledged at the hub:", atHub.Acked.Epoch)

	_, full = merge.PlanExport(&hub, &atHub, merge.ExportRequest{})
	fmt.Println("full load:", full)
	// Output:
	// full load: true
	// applied at the clinic: 5
	// acknowledged at the hub: 5
	// full load: false
}
