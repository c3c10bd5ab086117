package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/client"
	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/webtest"
)

func TestJoin(t *testing.T) {
	var remotes []string
	h := webtest.NewHub(t, func(o *server.Options) {
		o.Join = func(_ context.Context, remote string, body []byte) ([]byte, error) {
			remotes = append(remotes, remote)
			switch string(body) {
			case "token":
				return nil, &web.Problem{Status: 403, Type: "token", Detail: "this invitation was used"}
			case "database":
				return nil, errors.New("password")
			}
			return append([]byte("welcome "), body...), nil
		}
	})
	c := h.Client("new", func(o *client.Options) { o.Peer = "" })
	if got, err := c.Join(t.Context(), []byte("kisumu")); err != nil || string(got) != "welcome kisumu" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := c.Join(t.Context(), []byte("token")); webtest.Status(t, err) != (web.Problem{Status: 403, Type: "token", Detail: "this invitation was used"}) {
		t.Error(err)
	}
	if _, err := c.Join(t.Context(), []byte("database")); webtest.Status(t, err).Status != 500 || strings.Contains(err.Error(), "password") {
		t.Error(err)
	}
	if _, err := c.Join(t.Context(), make([]byte, web.MaxJoin+1)); err == nil {
		t.Error("too large")
	}
	if len(remotes) != 3 || remotes[0] != "127.0.0.1" {
		t.Errorf("from %q", remotes)
	}
	join := func(from string, size int) *httptest.ResponseRecorder {
		r := webtest.Raw{Method: "POST", Path: "/v1/join", Body: make([]byte, size)}.Request(h)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		h.Server.Load().ServeHTTP(w, r)
		return w
	}
	webtest.WantProblem(t, join("10.0.0.1:5", web.MaxJoin+1), 413, "large")
	if w := join("10.0.0.1:5", web.MaxJoin); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
	n := 0
	for n < 100 && join("10.0.0.2:5", 1).Code == 200 {
		n++
	}
	if n < 5 || n > 20 {
		t.Errorf("%d requests of one address are taken", n)
	}
	webtest.WantProblem(t, join("10.0.0.2:6", 1), 503, "busy")
	if w := join("10.0.0.3:5", 1); w.Code != 200 {
		t.Errorf("another address: %d", w.Code)
	}
	for i := range 200 { // one home with many addresses
		w := join(fmt.Sprintf("[2001:db8::%x]:5", i), 1)
		if i == 199 {
			webtest.WantProblem(t, w, 503, "busy")
		}
	}
	h = webtest.NewHub(t, nil)
	webtest.WantProblem(t, webtest.Raw{Method: "POST", Path: "/v1/join"}.Do(h), 404, "missing")
}
