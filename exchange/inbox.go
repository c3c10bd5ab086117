package exchange

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/transport"
)

// ImportInbox applies what is in the inbox, or what is wanted of it (nil: all), and returns the files that left it: those that
// were applied, and those that never will be, for another file stands in for them. Names are those in the inbox. What failed too
// often is moved to the folder for that. begin and each are as in [Node.Import].
func (n *Node) ImportInbox(ctx context.Context, want func(name string, h *batch.Header) bool, begin func() error, each func(*Result) error) (gone []string, err error) {
	inbox, err := Inbox(n.Home)
	if err != nil {
		return nil, err
	}
	defer inbox.Close()
	files, err := wantedIn(ctx, inbox, want)
	if err != nil {
		return nil, err
	}
	r := &inboxRun{node: n, inbox: inbox, latest: map[string]int64{}}
	err = n.Import(ctx, files, ImportOptions{Folder: true}, begin, func(res *Result) error {
		if res.NoFile() {
			return each(res)
		}
		if err := r.sort(ctx, res); err != nil {
			return err
		}
		return each(res)
	})
	if err = errors.Join(err, r.removeObsolete(ctx), n.tidyAside(ctx)); err != nil {
		return r.gone, fmt.Errorf("import from the inbox: %w", err)
	}
	return r.gone, nil
}

// FilesIn lists the files of a folder. name returns, for a name in the folder, the one that the user knows.
func FilesIn(ctx context.Context, f *transport.Folder, name func(string) string) ([]*Incoming, error) {
	entries, err := f.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []*Incoming
	for _, e := range entries {
		out = append(out, &Incoming{Name: name(e.Name), key: filepath.Join(f.Path(), e.Name), size: e.Size, Open: func() (*os.File, int64, error) { return f.Open(ctx, e.Name) }})
	}
	return out, nil
}

// wantedIn lists the files of a folder that are wanted. Those without a header that can be read are: they are reported.
func wantedIn(ctx context.Context, folder *transport.Folder, want func(string, *batch.Header) bool) ([]*Incoming, error) {
	files, err := FilesIn(ctx, folder, func(name string) string { return name })
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(files, func(f *Incoming) bool {
		return f.readHeader() == nil && want != nil && !want(f.Name, f.header)
	}), nil
}

// inboxRun keeps the inbox in order while its files are imported.
type inboxRun struct {
	node   *Node
	inbox  *transport.Folder
	gone   []string         // files that left the inbox
	latest map[string]int64 // by sender: when the latest batch applied now was made, microseconds since 1970 UTC
	left   []*Result        // of files with a header that were not applied
}

// sort takes a file out of the inbox if it was applied.
func (r *inboxRun) sort(ctx context.Context, res *Result) error {
	if res.Applied() {
		r.latest[res.Header.Sender] = max(r.latest[res.Header.Sender], res.Header.Time)
		return r.remove(ctx, res.Name)
	}
	var aside *AsideError
	switch {
	case errors.As(res.Err, &aside) && aside.Dropped:
		return r.inbox.Remove(ctx, res.Name)
	case errors.As(res.Err, &aside):
		return setAside(r.node.Home, res.Name)
	}
	if res.Header != nil {
		r.left = append(r.left, res)
	}
	return nil
}

// removeObsolete takes files out of the inbox that never will be applied.
func (r *inboxRun) removeObsolete(ctx context.Context) error {
	var err error
	for _, res := range r.left {
		h := res.Header
		// Of a history that its sender has left.
		left := res.Report != nil && res.Report.Outcome == apply.Refused && h.Time < r.latest[h.Sender]
		// Refused whole, and so is the one that holds it all: that one is enough.
		doubled := res.Err != nil && slices.ContainsFunc(r.left, func(o *Result) bool { return o.Name != res.Name && o.Err != nil && holdsAllOf(o.Header, h) })
		if left || doubled || res.Err != nil && r.node.reachesNoFurther(ctx, res) {
			err = errors.Join(err, r.remove(ctx, res.Name))
		}
	}
	return err
}

func (r *inboxRun) remove(ctx context.Context, name string) error {
	r.gone = append(r.gone, name)
	return r.inbox.Remove(ctx, name)
}
