package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/omsync/omsync/enrol"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/transport/web"
)

// join takes in a node that was invited.
func (s *server) join(ctx context.Context, remote string, body []byte) ([]byte, error) {
	refuse := func(status int, kind string, err error) error {
		s.log.Warn("joining refused", "remote", remote, "reason", err.Error())
		return &web.Problem{Status: status, Type: kind, Detail: err.Error()}
	}
	id, err := keys.Load(s.node.Home, s.node.Node) // they may have been rotated since the server began
	if err != nil {
		return nil, err
	}
	hub := id.Card()
	j, err := s.redeem(body, hub)
	switch {
	case errors.Is(err, enrol.ErrUnknownToken), errors.Is(err, enrol.ErrExpired), errors.Is(err, enrol.ErrUsed), errors.Is(err, enrol.ErrName):
		return nil, refuse(http.StatusForbidden, web.TypeToken, err)
	case errors.Is(err, enrol.ErrBadRequest):
		return nil, refuse(http.StatusBadRequest, web.TypeRequest, err)
	case errors.Is(err, errNobody):
		return nil, refuse(http.StatusForbidden, web.TypeToken, fmt.Errorf("%s %w", s.node.Node, err))
	case err != nil:
		return nil, err
	}
	if j.Card.Name == s.node.Node {
		return nil, refuse(http.StatusConflict, web.TypeName, fmt.Errorf("the node here is named %s too: two nodes need two names", s.node.Node))
	}
	role := j.Role
	// Only now, so that strangers do not hold up this node's commands. Who comes again by the same token finds it good.
	lock, err := node.AcquireLock(ctx, s.node.Home, s.lockWait)
	if errors.Is(err, node.ErrLocked) {
		return nil, busy(fmt.Sprintf("%s is busy with an import: try again in some minutes", s.node.Node))
	} else if err != nil {
		return nil, err
	}
	defer lock.Release()
	known, err := s.node.CheckPeer(ctx, j.Card, role)
	if f := (*failure.Failure)(nil); errors.As(err, &f) {
		return nil, refuse(http.StatusConflict, web.TypeKnown, err)
	} else if err != nil {
		return nil, err
	}
	if known {
		if _, err := s.peer(ctx, j.Card.Name); err != nil { // it is suspended
			return nil, refuse(http.StatusForbidden, web.TypeSuspended, err)
		}
	} else {
		if err := s.node.AddPeer(ctx, j.Card, role); err != nil {
			return nil, err
		}
	}
	if err := s.node.GaveCard(ctx, j.Card.Name, hub); err != nil {
		return nil, err
	}
	s.log.Info("joined", "peer", j.Card.Name, "as", string(role), "fingerprint", j.Card.Fingerprint(), "again", known, "remote", remote)
	return j.Reply(hub)
}

// errNobody means that only invited nodes may join.
var errNobody = errors.New("takes nobody without an invitation: ask its people for a token")

// redeem checks a request to join.
func (s *server) redeem(body []byte, hub keys.Card) (*enrol.Joining, error) {
	if enrol.IsOpen(body) {
		if !s.config.AutoRegister {
			return nil, errNobody
		}
		return enrol.ReadOpen(body)
	}
	invitations, err := s.node.Invitations()
	if err != nil {
		return nil, err
	}
	return invitations.Redeem(body, hub, time.Now())
}
