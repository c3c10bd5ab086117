package httpsig

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/dunglas/httpsfv"
)

const (
	// HeaderTo names the node that a request is for.
	HeaderTo = "Omsync-To"
	// Tag says which signatures are meant for omsync, and which rules they follow.
	Tag = "omsync-1"
)

// Message is what a signature may cover of a request.
type Message struct {
	Method    string
	Path      string // escaped, as the client sent it
	Query     string // without the question mark
	Authority string // host and port
	Length    int64  // of the body in bytes; -1 if it is not told
	Header    http.Header
}

// component returns the value of one component: RFC 9421, sections 2.1 and 2.2.
func (m Message) component(name string) (string, error) {
	switch name {
	case "@method":
		return m.Method, nil
	case "@path":
		return m.Path, nil
	case "@query":
		return "?" + m.Query, nil
	case "@authority":
		return strings.ToLower(m.Authority), nil
	case "content-length":
		if m.Length < 0 {
			return "", errors.New("the request does not tell its length")
		}
		return strconv.FormatInt(m.Length, 10), nil
	}
	if strings.HasPrefix(name, "@") || name != strings.ToLower(name) {
		return "", fmt.Errorf("component %q is not known", name)
	}
	values := slices.Clone(m.Header.Values(name))
	if len(values) == 0 {
		return "", fmt.Errorf("the request has no %s", name)
	}
	for i, v := range values {
		values[i] = strings.TrimSpace(v)
	}
	return strings.Join(values, ", "), nil
}

// Required returns the names of the components that a signature of the message has to cover.
func (m Message) Required() []string {
	out := []string{"@method", "@path", "@query", strings.ToLower(HeaderTo)}
	if m.Length != 0 || m.Method == http.MethodPost || m.Method == http.MethodPatch {
		out = append(out, "content-length")
	}
	for _, name := range []string{"content-digest", "upload-offset", "upload-length", "upload-metadata", "range", "omsync-wait", "omsync-mail"} {
		if len(m.Header.Values(name)) > 0 {
			out = append(out, name)
		}
	}
	return out
}

// base returns the text that is signed: RFC 9421, section 2.5.
func (m Message) base(list httpsfv.InnerList) (string, error) {
	var b strings.Builder
	seen := map[string]bool{}
	for _, item := range list.Items {
		name, ok := item.Value.(string)
		if !ok || (item.Params != nil && len(item.Params.Names()) > 0) {
			return "", errors.New("covered components are plain names")
		}
		if seen[name] {
			return "", fmt.Errorf("component %q is covered twice", name)
		}
		seen[name] = true
		value, err := m.component(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%q: %s\n", name, value)
	}
	params, err := httpsfv.Marshal(list)
	if err != nil {
		return "", err
	}
	b.WriteString(`"@signature-params": ` + params)
	return b.String(), nil
}
