package web

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Types of problems, for programs: what a client does about one depends on its type and status.
const (
	TypeBusy      = "busy"      // passes: try again later
	TypeClock     = "clock"     // signed at a time that is not the server's
	TypeCut       = "cut"       // the body ended early; what came is kept
	TypeDigest    = "digest"    // Content-Digest is missing or wrong
	TypeFull      = "full"      // the server's disk has no room
	TypeGone      = "gone"      // the client did not wait; for the log only
	TypeInternal  = "internal"  // the server's fault
	TypeKnown     = "known"     // to join: another node of the name is there
	TypeLarge     = "large"     // more bytes than the server takes
	TypeMethod    = "method"    // not one of this path
	TypeMissing   = "missing"   // no such path, mail or upload
	TypeName      = "name"      // not a name of a file or node that can be taken
	TypeOffset    = "offset"    // the upload is at another byte
	TypePeer      = "peer"      // the request is for another node
	TypeQuota     = "quota"     // too much of this node is here already
	TypeRefused   = "refused"   // the file cannot be taken
	TypeReplay    = "replay"    // the nonce was used before
	TypeRequest   = "request"   // not a request of this protocol
	TypeSignature = "signature" // not signed, or not well
	TypeSlow      = "slow"      // no byte came in time; what came is kept
	TypeSuspended = "suspended" // the hub has suspended the node
	TypeToken     = "token"     // to join: the invitation is not good
	TypeTus       = "tus"       // another version or content type than tus 1.0.0
	TypeUnhealthy = "unhealthy" // the server cannot do its work now
	TypeUnknown   = "unknown"   // no name of a node, or one that was removed meanwhile
)

// Problem is an error that travels: the server answers it (RFC 9457), the client returns it.
type Problem struct {
	Status int    `json:"status"` // HTTP status
	Type   string `json:"type"`   // one of the Type constants, or of a later version's
	Detail string `json:"detail"` // a sentence for people
}

// NewProblem returns a problem whose Detail is formatted as by fmt.Sprintf.
func NewProblem(status int, kind, format string, args ...any) *Problem {
	return &Problem{status, kind, fmt.Sprintf(format, args...)}
}

// Error returns the problem's Detail.
func (p *Problem) Error() string { return p.Detail }

// HeaderProblem repeats the type, for answers to HEAD, which have no body.
const HeaderProblem = "Omsync-Problem"

// problemType is the content type of a problem.
const problemType = "application/problem+json"

// Write answers a request with the problem. All that is worth another try soon says so in Retry-After.
func (p *Problem) Write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", problemType)
	h.Set("Cache-Control", "no-store")
	h.Set(HeaderProblem, p.Type)
	if p.Status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	body, err := json.Marshal(p)
	if err != nil {
		body = nil
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	w.Write(body)
}

// maxProblem is how much of a problem's body is read, in bytes.
const maxProblem = 64 << 10

// ReadProblem returns the problem of an answer that is no success. Of answers that are not omsync's, such as a proxy's, it
// keeps the status.
func ReadProblem(r *http.Response) *Problem {
	p := &Problem{Type: r.Header.Get(HeaderProblem)}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == problemType {
		if body, err := io.ReadAll(io.LimitReader(r.Body, maxProblem)); err == nil {
			json.Unmarshal(body, p)
		}
	}
	p.Status = r.StatusCode
	p.Detail = strings.Map(printable, p.Detail)
	if p.Detail == "" {
		p.Detail = fmt.Sprintf("the server answers %d %s", r.StatusCode, http.StatusText(r.StatusCode))
	}
	return p
}

// printable keeps what another computer says from steering the terminal.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
		return ' '
	}
	return r
}
