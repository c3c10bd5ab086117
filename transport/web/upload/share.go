package upload

import "errors"

// NodeShare is which part of the room one node may have, so that it does not keep the others out: one in so many.
const NodeShare = 4

var (
	// ErrFull means that the disk would have less than its reserve.
	ErrFull = errors.New("no room left for uploads")
	// ErrShare means that there is room, but not so much for one node.
	ErrShare = errors.New("no room left for so much of one node")
)

// usage is what uploads have of the disk, in bytes.
type usage struct {
	announced int64 // by the node: all of its uploads that are not complete
	come      int64 // of them
	waiting   int64 // files of the node that are complete and still here
	others    int64 // still to come of other nodes' uploads
}

// checkShare returns an error if a node has announced too much, where so many bytes are left on the disk now. What the node may have
// is a part of what would be left if it had nothing here, so that it stays the same while its bytes come.
func checkShare(left int64, u usage) error {
	free := left - u.others
	switch {
	case u.announced == u.come: // nothing is to come
		return nil
	case u.announced-u.come > free:
		return ErrFull
	case u.announced+u.waiting > (free+u.come+u.waiting)/NodeShare:
		return ErrShare
	}
	return nil
}
