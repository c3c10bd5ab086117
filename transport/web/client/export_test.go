package client

import (
	"net/http"
)

// HTTPTransport returns the transport that the client made itself.
func (c *Client) HTTPTransport() *http.Transport { return c.http.(*http.Transport) }
