package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/omsync/omsync/transport/web"
)

// Search returns patients of other sites whom the hub finds, [web.MaxPatients] at most. It asks once.
func (c *Client) Search(ctx context.Context, q web.Search) (found []web.Patient, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	header := http.Header{"Content-Digest": {fmt.Sprintf("sha-256=:%s:", base64.StdEncoding.EncodeToString(sum[:]))}, "Content-Type": {"application/json"}}
	ctx, w := c.watch(ctx)
	defer w.stop()
	r, err := c.send(ctx, w, request{method: http.MethodPost, path: web.PathSearch, header: header, length: int64(len(body)),
		body: func() io.Reader { return bytes.NewReader(body) }})
	if err != nil {
		return nil, c.wrap("search at", err)
	}
	defer r.Body.Close()
	if err := c.decode(ctx, w, r, &found); err != nil {
		return nil, c.wrap("search at", err)
	}
	return found[:min(len(found), web.MaxPatients)], nil
}
