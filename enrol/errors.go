package enrol

import "errors"

var (
	// ErrUnknownToken means that the hub has no invitation to which the request's token belongs. A wrong token and a
	// revoked one look alike.
	ErrUnknownToken = errors.New("the hub does not know this invitation, or it was revoked: ask the hub's people for a new one (omsync invite NAME)")
	// ErrExpired means that the token was right, but too old by the hub's clock.
	ErrExpired = errors.New("the invitation has expired: ask the hub's people for a new one (omsync invite NAME)")
	// ErrUsed means that another card joined with this token.
	ErrUsed = errors.New("the invitation was used already, by another card: tell the hub's people if that was not you, and ask them for a new one (omsync invite NAME)")
	// ErrName means that the node's name is not the one that was invited.
	ErrName = errors.New("the invitation is for a node of another name: ask the hub's people for one for this node (omsync invite NAME)")
	// ErrBadRequest means that the bytes are not a request that this package wrote, or changed on their way.
	ErrBadRequest = errors.New("not a good request to join")
	// ErrBadReply means that the reply does not come from the hub that made the token, or changed on its way.
	ErrBadReply = errors.New("not a good reply to a request to join")
)
