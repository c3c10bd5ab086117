package apply

import "context"

// reindex has the application index anew, if the batch changed any of what it searches: see [journal.Journal.Reindex].
func (im *importer) reindex(ctx context.Context) error {
	if !im.o.Reindex {
		return nil
	}
	var changed []string
	for _, l := range im.resolver.exchanged {
		if l.count.Inserted+l.count.Updated+l.count.Deleted > 0 {
			changed = append(changed, l.Name)
		}
	}
	note, err := im.j.Reindex(ctx, im.resolver.s.conn, changed)
	if note != "" {
		im.notes.add("%s", note)
	}
	return err
}
