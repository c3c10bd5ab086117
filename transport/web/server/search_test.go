package server_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/server"
	"github.com/omsync/omsync/transport/web/webtest"
)

func TestSearch(t *testing.T) {
	achieng := web.Search{Given: "Achieng", Family: "Otieno", Born: "1990-05-01"}
	var asked []string
	h := webtest.NewHub(t, func(o *server.Options) {
		o.Search = func(_ context.Context, node string, q web.Search) ([]web.Patient, error) {
			asked = append(asked, node+" "+q.Given+" "+q.Family+" "+q.Born)
			if q.Given == "Nobody" {
				return nil, web.NewProblem(http.StatusForbidden, web.TypeRefused, "hub lets no clinic search")
			}
			return slices.Repeat([]web.Patient{{Key: "p-1", Given: q.Given, Family: "O", Born: 1990}}, web.MaxPatients+5), nil
		}
	})
	found, err := h.Client("kisumu", nil).Search(t.Context(), achieng)
	if err != nil || len(found) != web.MaxPatients || found[0] != (web.Patient{Key: "p-1", Given: "Achieng", Family: "O", Born: 1990}) {
		t.Errorf("%+v, %v", found, err)
	}
	if want := "kisumu Achieng Otieno 1990-05-01"; len(asked) != 1 || asked[0] != want {
		t.Errorf("asked %q", asked)
	}
	var p *web.Problem
	for _, q := range []web.Search{{Given: "Achieng", Born: "1990-05-01"}, {Given: "A", Family: "O", Born: "1990"}, {Given: strings.Repeat("A", web.MaxName+1), Family: "O", Born: "1990-05-01"}} {
		if _, err := h.Client("kisumu", nil).Search(t.Context(), q); !errors.As(err, &p) || p.Type != web.TypeRequest {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := h.Client("migori", nil).Search(t.Context(), web.Search{Given: "Nobody", Family: "O", Born: "1990-05-01"}); !errors.As(err, &p) || p.Type != web.TypeRefused {
		t.Errorf("refused: %v", err)
	}
	if _, err := h.Client("stranger", nil).Search(t.Context(), achieng); !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
		t.Errorf("a stranger: %v", err)
	}
	for _, header := range map[string]map[string]string{"no digest": nil, "another digest": {"Content-Digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}} {
		w := webtest.Raw{Method: "POST", Path: "/v1/search", Node: "kisumu", Body: []byte("{}"), Header: header}.Do(h)
		webtest.WantProblem(t, w, http.StatusBadRequest, web.TypeDigest)
	}
	// Who searches often waits, and nobody else does.
	for range 10 {
		h.Client("kisumu", nil).Search(t.Context(), achieng)
	}
	if _, err := h.Client("kisumu", nil).Search(t.Context(), achieng); !errors.As(err, &p) || p.Type != web.TypeBusy {
		t.Errorf("the eleventh: %v", err)
	}
	if _, err := h.Client("migori", nil).Search(t.Context(), achieng); err != nil {
		t.Errorf("another node: %v", err)
	}

	h = webtest.NewHub(t, nil)
	if _, err := h.Client("kisumu", nil).Search(t.Context(), achieng); !errors.As(err, &p) || p.Status != http.StatusNotFound {
		t.Errorf("a hub without a search: %v", err)
	}
}
