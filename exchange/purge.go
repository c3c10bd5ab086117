package exchange

import (
	"context"
	"errors"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/scopes/purge"
)

// purge deletes here what is to be deleted of patients who left this node's scope, where nothing stands against it any more. What goes wrong with that
// is no reason for anything else to stop: the next run tries again.
func (r *importRun) purge(ctx context.Context) error {
	if r.o.DryRun {
		return nil
	}
	var told error
	o := purge.Options{Seal: func(ctx context.Context) error {
		_, err := capture.Seal(ctx, r.Journal, r.Wait)
		return err
	}, Wait: r.Wait, Reindex: r.Reindex}
	err := purge.Run(ctx, r.Journal, o, func(p *purge.Purged) error {
		report := &apply.Report{Sender: p.Parent, Outcome: apply.Applied}
		for _, t := range p.Tables {
			report.Tables = append(report.Tables, apply.TableReport{Table: t.Name, Deleted: t.Rows})
			report.Deleted += t.Rows
		}
		if p.Note != "" {
			r.Journal.Warn("%s", p.Note)
		}
		told = r.each(&Result{Report: report, Purged: true})
		return told
	})
	switch {
	case err == nil || told != nil || ctx.Err() != nil:
		return err
	case !errors.Is(err, journal.ErrBusy):
		r.Journal.Warn("%v", err)
	}
	return nil
}
