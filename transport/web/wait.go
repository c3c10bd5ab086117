package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Headers of a request to wait for mail, and of its answer.
const (
	HeaderWait = "Omsync-Wait" // for how many seconds at most
	HeaderMail = "Omsync-Mail" // the mark of a list of mail: of the request, that of the list that the node knows; see [MailMark]
)

const (
	// MaxWait is how long a request waits at most: less than either side, or a proxy, lets a connection be silent.
	MaxWait = 50 * time.Second
	// MaxWaits is how many requests of one node wait at once.
	MaxWaits = 4
)

// MailMark returns the mark of a list of mail, which another list has not: 16 hexadecimal digits.
func MailMark(list []Mail) string {
	h := sha256.New()
	for _, m := range list {
		fmt.Fprintf(h, "%s %d\n", m.Name, m.Size)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
