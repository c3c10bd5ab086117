package exchange

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange/cards"
	"github.com/omsync/omsync/harmonise"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/transport"
)

const (
	inboxName = "inbox"
	asideName = "aside"
)

// Inbox opens the folder for files that came, which is made if need be.
func Inbox(home string) (*transport.Folder, error) { return mailFolder(home, inboxName) }

// Aside opens the folder for files that were set aside, which is made if need be.
func Aside(home string) (*transport.Folder, error) { return mailFolder(home, asideName) }

// mailPath returns the path of the folder for files that came, or of the one for those that were set aside.
func mailPath(home string, aside bool) string {
	if aside {
		return filepath.Join(home, asideName)
	}
	return filepath.Join(home, inboxName)
}

// Outbox opens the folder with what waits for a peer, which is made if need be. The name may come from the database, which others write
// too: one that cannot be a node's makes no folder.
func Outbox(home, peer string) (*transport.Folder, error) {
	if err := keys.ValidName(peer); err != nil {
		return nil, badPeer(err)
	}
	return mailFolder(home, "outbox", peer)
}

func badPeer(err error) error {
	return fmt.Errorf("the database has a peer whose name cannot be a node's, and nothing is written for it: correct its name in omsync_peer, or restore that from a backup: %w", err)
}

func mailFolder(parts ...string) (*transport.Folder, error) {
	path := filepath.Join(parts...)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return transport.OpenFolder(path)
}

// mailFile is a batch in an inbox or an outbox.
type mailFile struct {
	transport.Entry
	header *batch.Header
}

// listMail lists a folder with the headers of its files. Files that are no batches are passed over.
func listMail(ctx context.Context, folder *transport.Folder) ([]mailFile, error) {
	entries, err := folder.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []mailFile
	for _, e := range entries {
		h, err := headerIn(ctx, folder, e.Name)
		if err != nil {
			continue
		}
		out = append(out, mailFile{e, h})
	}
	return out, nil
}

func headerIn(ctx context.Context, folder *transport.Folder, name string) (*batch.Header, error) {
	f, _, err := folder.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return orKeptPart(batch.ReadHeader(f))
}

// Senders lists who the files of a folder say that they are from.
func Senders(ctx context.Context, folder *transport.Folder) ([]string, error) {
	files, err := listMail(ctx, folder)
	var out []string
	for _, f := range files {
		if !slices.Contains(out, f.header.Sender) {
			out = append(out, f.header.Sender)
		}
	}
	return out, err
}

// EmptyOutbox throws away what waits for a peer: it is made anew.
func EmptyOutbox(ctx context.Context, home, peer string) error {
	folder, err := Outbox(home, peer)
	if err != nil {
		return err
	}
	defer folder.Close()
	files, err := listMail(ctx, folder)
	for _, f := range files {
		err = errors.Join(err, folder.Remove(ctx, f.Name))
	}
	return err
}

// ForgetPeer throws away what the home folder has of a peer that was removed: the mail to and from it, what was compared with it, and which of its
// cards count.
func ForgetPeer(ctx context.Context, home, peer string) error {
	if err := harmonise.Forget(home, peer); err != nil {
		return err
	}
	if err := cards.Forget(home, peer); err != nil {
		return err
	}
	return DiscardMail(ctx, home, peer)
}

// DiscardMail throws away the mail to and from a peer.
func DiscardMail(ctx context.Context, home, peer string) error {
	all := []func() (*transport.Folder, error){
		func() (*transport.Folder, error) { return Inbox(home) },
		func() (*transport.Folder, error) { return Aside(home) },
		func() (*transport.Folder, error) { return Outbox(home, peer) },
	}
	if keys.ValidName(peer) != nil { // which never had an outbox
		all = all[:2]
	}
	for _, open := range all {
		folder, err := open()
		if err != nil {
			return err
		}
		defer folder.Close()
		files, err := listMail(ctx, folder)
		if err != nil {
			return err
		}
		for _, f := range files {
			if f.header.Sender != peer && f.header.Receiver != peer {
				continue
			}
			if err := folder.Remove(ctx, f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
