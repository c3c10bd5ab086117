package client

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/omsync/omsync/transport/web"
)

// Wait asks for the node's mail, and has the hub answer only when it is another than known, the mark of a list that the node has ("": it
// has none): at most a minute later, then with the same mark and no list. It asks once. Errors: fs.ErrNotExist from a hub of before, which
// cannot wait; transport.ErrDown.
func (c *Client) Wait(ctx context.Context, known string, most time.Duration) (list []web.Mail, mark string, err error) {
	ctx, w := c.watch(ctx)
	defer w.stop()
	header := http.Header{web.HeaderWait: {fmt.Sprint(int(most / time.Second))}}
	if known != "" {
		header.Set(web.HeaderMail, known)
	}
	r, err := c.send(ctx, w, request{method: http.MethodGet, path: web.PathWait, header: header})
	if err != nil {
		return nil, "", c.wrap("wait at", err)
	}
	defer r.Body.Close()
	if r.StatusCode == http.StatusNoContent {
		return nil, known, nil
	}
	if err := c.decode(ctx, w, r, &list); err != nil {
		return nil, "", c.wrap("wait at", err)
	}
	return list, web.MailMark(list), nil
}
