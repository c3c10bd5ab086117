package web

import (
	"encoding/hex"
	"strings"
	"time"
)

// Root begins the path of every request, after what a reverse proxy puts before it.
const Root = "/v1/"

// Paths below [Root].
const (
	PathHealth  = "health"
	PathJoin    = "join"
	PathSearch  = "search"
	PathMail    = "mail" // and mail/NAME
	PathWait    = "wait"
	PathUploads = "uploads" // and uploads/ID
)

// Uploads follow the tus protocol, core and creation: https://tus.io/protocols/resumable-upload.
const (
	TusVersion = "1.0.0"
	OffsetType = "application/offset+octet-stream" // the content type of a PATCH
)

// Limits that a client has to know, in bytes.
const (
	MaxDigested  = 64 << 10 // a PATCH with a body up to this carries Content-Digest
	MaxJoin      = 64 << 10 // of a request to join
	MaxInline    = 64 << 10 // of one file that comes along with a receipt
	MaxInlineAll = 1 << 20  // of all of them
	MaxMetadata  = 4 << 10  // of Upload-Metadata
	MaxHeader    = 32 << 10 // of a request's or answer's header
)

// Settings of connections that are the same at both ends.
const (
	// IdleTime is how long a server keeps a connection on which nothing happens.
	IdleTime = 2 * time.Minute
	// SendBuffer is the size of sockets' buffers in bytes: small, for what lies in one is lost when the link breaks, and a slow
	// link is to show as progress and not as a stall.
	SendBuffer = 256 << 10
)

// IsUploadID reports whether a text could be the ID of an upload: 32 hexadecimal digits, in lower case.
func IsUploadID(id string) bool {
	_, err := hex.DecodeString(id)
	return err == nil && len(id) == 32 && id == strings.ToLower(id)
}
