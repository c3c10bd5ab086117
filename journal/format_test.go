package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestFormatsThatAreNotOurs(t *testing.T) {
	for _, c := range []struct {
		format int
		old    bool
		parts  []string
	}{
		{1, true, []string{"format 1", "omsync sync", "upgrades them to format 7"}},
		{underWay + 1, true, []string{"was not finished", "omsync sync"}},
		{0, false, []string{"omsync_node.format is 0", "restore the database"}},
		{underWay, false, []string{"omsync_node.format is 1000", "restore the database"}},
		{2, true, []string{"format 2", "omsync sync", "upgrades them to format 7"}},
		{underWay + 2, true, []string{"was not finished", "omsync sync"}},
		{3, true, []string{"format 3", "omsync sync", "upgrades them to format 7"}},
		{underWay + 3, true, []string{"was not finished", "omsync sync"}},
		{4, true, []string{"format 4", "omsync sync", "upgrades them to format 7"}},
		{underWay + 4, true, []string{"was not finished", "omsync sync"}},
		{5, true, []string{"format 5", "omsync sync", "upgrades them to format 7"}},
		{underWay + 5, true, []string{"was not finished", "omsync sync"}},
		{6, true, []string{"format 6", "omsync sync", "upgrades them to format 7"}},
		{underWay + 6, true, []string{"was not finished", "omsync sync"}},
		{8, false, []string{"format 8", "formats up to 7", "install the newer omsync"}},
		{underWay + 7, false, []string{"formats up to 7", "install the newer omsync"}},
		{underWay + 8, false, []string{"format 8", "formats up to 7", "install the newer omsync"}},
	} {
		t.Run(fmt.Sprint(c.format), func(t *testing.T) {
			db, _ := format1(t, fmt.Sprintf("UPDATE omsync_node SET format = %d WHERE id = 1", c.format))
			var other *FormatError
			_, err := LoadNode(t.Context(), db)
			if !errors.As(err, &other) || other.Old() != c.old {
				t.Fatalf("%v", err)
			}
			for _, p := range c.parts {
				if !strings.Contains(err.Error(), p) {
					t.Errorf("%q lacks %q", err, p)
				}
			}
			name, err := NodeName(t.Context(), db)
			if c.old && (err != nil || name != "hub") || !c.old && !errors.As(err, &other) {
				t.Errorf("the name is %q, %v", name, err)
			}
			if c.old {
				return
			}
			before := shape(t, db)
			if _, err := Upgrade(t.Context(), db, upgradeOptions()); !errors.As(err, &other) {
				t.Errorf("an upgrade: %v", err)
			}
			if !slices.Equal(shape(t, db), before) {
				t.Error("the upgrade changed tables")
			}
		})
	}
}
