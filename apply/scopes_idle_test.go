package apply_test

import (
	"testing"
)

// What was deleted before anybody had a scope goes to the child that gets one before it hears of that.
func TestScopeBeginsBeforeADeletionCame(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 2, "kisumu", "migori")
	k, m := n.site("kisumu"), n.site("migori")
	visit(n.hub, "second", "h1")
	n.exchange()
	do(n.hub, "DELETE FROM encounter_note WHERE uuid = 'h1-visit-note'")
	do(m, "DELETE FROM encounter_note WHERE uuid = 'second-note'")
	for _, f := range m.Export(n.hub) {
		n.hub.Import(f)
	}
	n.own(n.hub, k, "h1", "h2")
	n.exchange()
	if got := k.One("SELECT GROUP_CONCAT(uuid) FROM encounter_note"); got != "h2-visit-note" {
		t.Errorf("notes at the clinic: %s", got)
	}
}
