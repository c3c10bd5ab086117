package exchange

import (
	"context"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/transport"
)

// ExportOptions say what to export: see [export.Options].
type ExportOptions struct {
	Full, SinceSent bool
	PartSize        int64 // bytes; 0: one file
}

// Export writes into a folder what a peer lacks, and returns the files. Those that were finished are returned also when a later
// part was not.
func (n *Node) Export(ctx context.Context, p *journal.Peer, folder *transport.Folder, o ExportOptions) ([]export.Batch, error) {
	seal, err := n.sealing(p)
	if err != nil {
		return nil, err
	}
	if err := n.learnAliases(ctx); err != nil {
		return nil, err
	}
	unread, err := n.unread(p.Name)
	if err != nil {
		return nil, err
	}
	bar := n.bar("to "+p.Name, Rows)
	defer bar.Done()
	return export.Export(ctx, n.Journal, p.Name, export.Options{
		Full: o.Full, SinceSent: o.SinceSent, PartSize: o.PartSize, Wait: n.Wait, Features: n.Features, Unread: unread, Policies: n.Policies, ScopeRules: n.ScopeRules, Cards: seal.texts, Health: n.health(ctx, p), Sections: n.Sections,
		Create: func(name string) (export.File, error) {
			f, err := folder.Create(ctx, name)
			if err != nil {
				return nil, err
			}
			return f, nil
		},
		Encrypt: seal.to.Encrypt, Sign: seal.by.Sign, Progress: bar.Show,
	})
}

// health returns what a peer is told of this node: nothing, if it is no parent. What cannot be found out keeps no file back.
func (n *Node) health(ctx context.Context, p *journal.Peer) *batch.Health {
	if n.Health == nil || p.Role != access.Parent {
		return nil
	}
	h, err := n.Health(ctx)
	if err != nil {
		n.Journal.Warn("%s is not told how this node is: %v", p.Name, err)
	}
	return h
}
