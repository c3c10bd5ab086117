package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
)

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want failure.Code
	}{
		{nil, 0},
		{errors.New("x"), failure.Error},
		{fmt.Errorf("export: %w", journal.ErrBusy), failure.Busy},
		{fmt.Errorf("x: %w", node.ErrLocked), failure.Busy},
		{failure.Hinted(fmt.Errorf("x: %w", node.ErrLocked), "the hook holds it"), failure.Busy},
		{fmt.Errorf("file: %w", fmt.Errorf("%w: %w", batch.ErrSignature, keys.ErrSignature)), failure.Trust},
		{fmt.Errorf("file: %w", batch.ErrTruncated), failure.Error},
		{fmt.Errorf("file: %w", keys.ErrNotForUs), failure.Trust},
		{fmt.Errorf("file: %w", apply.ErrSchemas), failure.Schema},
		{failure.Hinted(fmt.Errorf("x: %w", exchange.ErrUntrusted), "hint"), failure.Trust},
		{fmt.Errorf("file: %w", failure.Coded(failure.Gap, "x")), failure.Gap},
		{failure.Hinted(failure.Coded(failure.Conflicts, "x"), "hint"), failure.Conflicts},
		{failure.List{errors.New("x"), failure.Coded(failure.Gap, "y"), failure.Coded(failure.Trust, "z")}, failure.Gap},
		{failure.List{errors.New("x"), batch.ErrCorrupt}, failure.Error},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: code %d, want %d", c.err, got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	var b bytes.Buffer
	report(&b, failure.List{errors.New("one"), fmt.Errorf("file: %w", failure.Hinted(errors.New("two"), "do %s", "this"))})
	if want := "omsync: one\nomsync: file: two\nhint: do this\n"; b.String() != want {
		t.Errorf("printed %q, want %q", b.String(), want)
	}
}
