package server

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/omsync/omsync/transport/web"
)

// route is what the server does at one address.
type route struct {
	name    string // in the log and in metrics
	methods map[string]method
}

// method answers a request. name is the last part of the path.
type method struct {
	do     func(s *Server, c *call, name string) error
	signed bool
}

// routeWait is the route of requests that wait.
const routeWait = "wait"

// routes returns what there is below web.Root; NAME and ID stand for any name.
func routes() map[string]route {
	get := method{(*Server).getMail, true}
	health := method{(*Server).health, false}
	return map[string]route{
		web.PathHealth:          {"health", map[string]method{"GET": health, "HEAD": health}},
		web.PathJoin:            {"join", map[string]method{"POST": {(*Server).join, false}}},
		web.PathSearch:          {"search", map[string]method{"POST": {(*Server).search, true}}},
		web.PathMail:            {"mail", map[string]method{"GET": {(*Server).listMail, true}}},
		web.PathWait:            {routeWait, map[string]method{"GET": {(*Server).waitMail, true}}},
		web.PathMail + "/NAME":  {"file", map[string]method{"GET": get, "HEAD": get, "DELETE": {(*Server).takeMail, true}}},
		web.PathUploads:         {"uploads", map[string]method{"POST": {(*Server).create, true}, "OPTIONS": {(*Server).options, false}}},
		web.PathUploads + "/ID": {"upload", map[string]method{"HEAD": {(*Server).offset, true}, "PATCH": {(*Server).patch, true}}},
	}
}

// findRoute returns what is at the parts of a path.
func (s *Server) findRoute(parts []string) (route, bool) {
	key := parts[0]
	switch {
	case key == web.PathJoin && s.o.Join == nil, key == web.PathSearch && s.o.Search == nil, len(parts) > 2:
		return route{}, false
	case len(parts) == 2 && key == web.PathMail:
		key += "/NAME"
	case len(parts) == 2:
		key += "/ID"
	}
	to, ok := s.routes[key]
	return to, ok
}

// handle finds out what the request wants, and who sends it.
func (s *Server) handle(c *call) error {
	c.route = "other"
	path, parts, err := s.split(c.r)
	if err != nil {
		return err
	}
	to, ok := s.findRoute(parts)
	if !ok {
		return web.NewProblem(http.StatusNotFound, web.TypeMissing,
			"there is nothing at this address: it is no part of omsync's interface")
	}
	c.route = to.name
	method, ok := to.methods[c.r.Method]
	if !ok {
		c.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(to.methods)), ", "))
		return web.NewProblem(http.StatusMethodNotAllowed, web.TypeMethod, "method %s is not for this address",
			c.r.Method[:min(len(c.r.Method), maxMethod)])
	}
	if c.r.Method != http.MethodPost && c.r.Method != http.MethodPatch && c.r.ContentLength != 0 {
		return web.NewProblem(http.StatusBadRequest, web.TypeRequest, "%s has no body", c.r.Method)
	}
	if method.signed {
		if err := s.authenticate(c, path); err != nil {
			return err
		}
		leave, err := s.enter(c.node)
		if err != nil {
			return err
		}
		leave = sync.OnceFunc(leave)
		defer leave()
		free := c.leave
		c.leave = func() { leave(); free() }
	}
	return method.do(s, c, parts[len(parts)-1])
}

// maxMethod is how much of a strange method is repeated, in bytes.
const maxMethod = 16

// split takes the path below web.Root apart. Whatever is not plainly a name, encoded or not, is refused. path is the whole of
// it as the client sees it.
func (s *Server) split(r *http.Request) (path string, parts []string, err error) {
	path = r.URL.EscapedPath()
	rest, ok := strings.CutPrefix(path, s.o.Prefix+web.Root)
	if !ok {
		if rest, ok = strings.CutPrefix(path, web.Root); !ok {
			return "", nil, web.NewProblem(http.StatusNotFound, web.TypeMissing,
				"there is nothing at this address: omsync is at %s%s", s.o.Prefix, web.Root)
		}
		path = s.o.Prefix + path
	}
	parts = strings.Split(rest, "/")
	for i, p := range parts {
		plain, err := url.PathUnescape(p)
		if err != nil || plain == "" || plain == "." || plain == ".." || strings.ContainsAny(plain, "/\\\x00") {
			return "", nil, web.NewProblem(http.StatusBadRequest, web.TypeName, "this is no name of a file")
		}
		parts[i] = plain
	}
	return path, parts, nil
}

// health reports whether the server can do its work.
func (s *Server) health(c *call, _ string) error {
	if s.o.Healthy != nil {
		if err := s.o.Healthy(c.r.Context()); err != nil {
			s.log.Warn("not healthy", "error", err.Error())
			return web.NewProblem(http.StatusServiceUnavailable, web.TypeUnhealthy, "%s cannot do its work now: its log says why", s.o.Self)
		}
	}
	return c.json(http.StatusOK, map[string]string{"status": "ok", "node": s.o.Self, "version": s.o.Version})
}
