package main

import (
	"fmt"

	"github.com/omsync/omsync/node/scoping"
)

// fetchSays says how a request stands.
func fetchSays(a scoping.Asked, parent string) string {
	who := a.Patient
	if a.Key != "" && a.Key != a.Patient {
		who = fmt.Sprintf("%s (%s)", a.Patient, a.Key)
	}
	switch a.State {
	case scoping.StateHere:
		return who + " is here"
	case scoping.StateComing:
		return fmt.Sprintf("%s lets this node have %s, and has to get the patient from its own parent first: that takes more exchanges", parent, who)
	case scoping.StateRefused:
		return fmt.Sprintf("%s: a person at %s refused, or the patient left this node's scope", who, parent)
	case scoping.StateWaits:
		return fmt.Sprintf("%s: a person at %s is to answer (omsync scope requests there)", who, parent)
	case scoping.StatePassed:
		return fmt.Sprintf("%s: %s does not know the patient, and asks its own parent: that takes more exchanges", who, parent)
	case scoping.StateNobody:
		return fmt.Sprintf("%s: no patient that %s knows has this identifier", who, parent)
	case scoping.StateSeveral:
		return fmt.Sprintf("%s: several patients have this identifier: ask for the one by the key (a uuid)", who)
	case scoping.StateVoided:
		return fmt.Sprintf("%s: the identifier, or the patient who has it, is voided at %s: ask by the key, if that one is meant", who, parent)
	case scoping.StateKeyless:
		return fmt.Sprintf("%s: the patient has no uuid, so no other site can have the patient: omsync doctor at %s says how to give one", who, parent)
	}
	return "asked for " + who
}
