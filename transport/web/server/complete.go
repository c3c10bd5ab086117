package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/upload"
)

// outcomeStored is what became of a file of which Arrived says nothing else.
const outcomeStored = "stored"

// complete takes a file that has come whole: verified, it goes to the inbox, and Arrived is told. It goes on when the
// client has gone. A server that is stopped in between does the rest when the file is offered again.
func (s *Server) complete(c *call, u upload.Upload) error {
	// Of two files of one name, the marker must be of the one that is there in the end.
	release, err := s.lock(c, "name "+u.Name)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := s.outlive(c)
	defer cancel()
	receipt := web.Receipt{Outcome: outcomeStored}
	c.during(func() {
		if err = s.verify(ctx, u); err != nil {
			return
		}
		if err = s.publish(ctx, u); err == nil {
			s.arrived(ctx, u, &receipt)
		}
	})
	if err != nil {
		return err
	}
	s.metrics.upload(u.Node, outcomeStored)
	s.addMail(c, &receipt)
	return s.answerOffset(c, u, u.Length, http.StatusOK, &receipt)
}

// outlive returns a context for what goes on when the client has gone, and ends with the server.
func (s *Server) outlive(c *call) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.r.Context()))
	go func() {
		select {
		case <-s.stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// verify checks the file. One that cannot be taken is dropped; one that cannot be checked now stays.
func (s *Server) verify(ctx context.Context, u upload.Upload) error {
	f, err := s.uploads.OpenPart(u)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, err := web.FileDigest(f, u.Length)
	if err != nil {
		return err
	}
	if !bytes.Equal(sum, u.Digest) {
		err = errors.New("the end of the file is not what was announced: it was changed meanwhile")
	} else {
		err = s.o.Check(ctx, u.Node, u.Name, f, u.Length)
	}
	if err == nil {
		return nil
	}
	var p *web.Problem
	var path *fs.PathError
	switch isProblem := errors.As(err, &p); {
	case isProblem && p.Status >= 500:
		return p
	case ctx.Err() != nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return web.NewProblem(http.StatusServiceUnavailable, web.TypeBusy, "the server stops: try again later")
	case !isProblem && errors.As(err, &path):
		return err
	case !isProblem:
		p = web.NewProblem(http.StatusUnprocessableEntity, web.TypeRefused, "%v", err)
	}
	s.log.Warn("upload refused", "node", u.Node, "name", u.Name, "size", u.Length, "error", err)
	s.metrics.upload(u.Node, "refused")
	f.Close() // or Windows keeps it
	s.uploads.Drop(u.Node, u.ID())
	if err := s.uploads.Forget(u.Node, u.Name); err != nil {
		return err
	}
	return p
}

// publish gives the file its name in the inbox, at once, and then notes that it was stored.
func (s *Server) publish(ctx context.Context, u upload.Upload) error {
	err := s.uploads.Move(u, filepath.Join(s.o.Inbox.Path(), u.Name))
	if err == nil {
		err = durable.SyncDir(s.o.Inbox.Path())
	} else { // another file system
		err = s.copy(ctx, u)
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", u.Name, err)
	}
	if err := s.uploads.Mark(u.Node, u.Name, upload.Marker{ID: u.ID(), Outcome: outcomeStored}); err != nil {
		return fmt.Errorf("store %s: %w", u.Name, err)
	}
	s.uploads.Drop(u.Node, u.ID())
	return nil
}

// copy brings the file into the inbox from another file system.
func (s *Server) copy(ctx context.Context, u upload.Upload) error {
	if left, ok := transport.RoomIn(s.o.Inbox.Path()); ok && u.Length > left {
		return transport.ErrFull
	}
	from, err := s.uploads.Read(u)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := s.o.Inbox.Create(ctx, u.Name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, io.LimitReader(from, u.Length)); err != nil {
		to.Discard()
		return err
	}
	return to.Commit()
}

// arrived tells the rest of the program, and keeps what it says for a client that did not hear the answer.
func (s *Server) arrived(ctx context.Context, u upload.Upload, receipt *web.Receipt) {
	s.log.Info("upload stored", "node", u.Node, "name", u.Name, "size", u.Length)
	if s.o.Arrived == nil {
		return
	}
	r, err := s.o.Arrived(ctx, u.Node, u.Name)
	if err != nil {
		s.log.Error("upload stored, but then", "node", u.Node, "name", u.Name, "error", err)
		r = web.Receipt{Outcome: outcomeStored, Why: "the file is safe, but the server could do no more with it yet"}
		if p := (*web.Problem)(nil); errors.As(err, &p) {
			r.Why = p.Detail
		}
	}
	if r.Outcome == "" {
		r.Outcome = outcomeStored
	}
	*receipt = r
	if err := s.uploads.Mark(u.Node, u.Name, upload.Marker{ID: u.ID(), Outcome: r.Outcome, Why: r.Why}); err != nil {
		s.log.Warn("note what became of an upload", "node", u.Node, "name", u.Name, "error", err)
	}
}

// addMail adds what waits for the node to a receipt. What does not work can wait: the node asks for its mail anyway.
func (s *Server) addMail(c *call, r *web.Receipt) {
	if s.o.Arrived == nil {
		return
	}
	list, err := s.mail(c.r.Context(), c.node, true)
	if err != nil {
		s.log.Warn("mail", "node", c.node, "error", err)
		return
	}
	r.Mail = append(r.Mail, list...)
}
