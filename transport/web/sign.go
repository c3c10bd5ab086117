package web

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

const (
	sigLabel = "omsync"
	sigTag   = "omsync-1" // says which signatures are meant for omsync, and which rules they follow
	headerTo = "Omsync-To"
)

// message is what a signature may cover of a request.
type message struct {
	method    string
	path      string // escaped, as the client sent it
	query     string // without the question mark
	authority string
	length    int64 // of the body in bytes; -1 if it is not told
	header    http.Header
}

// component is the value of one component: RFC 9421, sections 2.1 and 2.2.
func (m message) component(name string) (string, error) {
	switch name {
	case "@method":
		return m.method, nil
	case "@path":
		return m.path, nil
	case "@query":
		return "?" + m.query, nil
	case "@authority":
		return strings.ToLower(m.authority), nil
	case "content-length":
		if m.length < 0 {
			return "", errors.New("the request does not tell its length")
		}
		return strconv.FormatInt(m.length, 10), nil
	}
	if strings.HasPrefix(name, "@") || name != strings.ToLower(name) {
		return "", fmt.Errorf("component %q is not known", name)
	}
	values := slices.Clone(m.header.Values(name))
	if len(values) == 0 {
		return "", fmt.Errorf("the request has no %s", name)
	}
	for i, v := range values {
		values[i] = strings.TrimSpace(v)
	}
	return strings.Join(values, ", "), nil
}

// required names the components that a signature has to cover.
func (m message) required() []string {
	out := []string{"@method", "@path", "@query", "omsync-to"}
	if m.length != 0 || m.method == http.MethodPost || m.method == http.MethodPatch {
		out = append(out, "content-length")
	}
	for _, name := range []string{"content-digest", "upload-offset", "upload-length", "upload-metadata", "range"} {
		if len(m.header.Values(name)) > 0 {
			out = append(out, name)
		}
	}
	return out
}

// base is the text that is signed: RFC 9421, section 2.5.
func (m message) base(list httpsfv.InnerList) (string, error) {
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

// sign adds Signature-Input and Signature to the message's header.
func (m message) sign(keyID string, created time.Time, sign func(msg []byte) ([]byte, error)) error {
	var nonce [16]byte
	rand.Read(nonce[:])
	list := httpsfv.InnerList{Params: httpsfv.NewParams()}
	for _, name := range m.required() {
		list.Items = append(list.Items, httpsfv.NewItem(name))
	}
	list.Params.Add("created", created.Unix())
	list.Params.Add("keyid", keyID)
	list.Params.Add("nonce", base64.RawURLEncoding.EncodeToString(nonce[:]))
	list.Params.Add("tag", sigTag)
	base, err := m.base(list)
	if err != nil {
		return err
	}
	sig, err := sign([]byte(base))
	if err != nil {
		return err
	}
	for header, member := range map[string]httpsfv.Member{"Signature-Input": list, "Signature": httpsfv.NewItem(sig)} {
		d := httpsfv.NewDictionary()
		d.Add(sigLabel, member)
		value, err := httpsfv.Marshal(d)
		if err != nil {
			return err
		}
		m.header.Set(header, value)
	}
	return nil
}

// signature is what a request's header says of who signed it.
type signature struct {
	list    httpsfv.InnerList
	keyID   string
	nonce   [16]byte
	created time.Time
	sig     []byte
}

// parseSignature finds the one signature that is meant for omsync. It takes no parameters and components that it does not
// know.
func parseSignature(h http.Header) (*signature, error) {
	if len(h.Values("Signature-Input")) == 0 || len(h.Values("Signature")) == 0 {
		return nil, errors.New("the request is not signed")
	}
	inputs, err := httpsfv.UnmarshalDictionary(h.Values("Signature-Input"))
	if err != nil {
		return nil, fmt.Errorf("signature-input: %w", err)
	}
	sigs, err := httpsfv.UnmarshalDictionary(h.Values("Signature"))
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	var out *signature
	for _, label := range inputs.Names() {
		member, _ := inputs.Get(label)
		list, ok := member.(httpsfv.InnerList)
		if !ok || list.Params == nil {
			return nil, errors.New("signature-input: a list of components is missing")
		}
		if tag, _ := list.Params.Get("tag"); tag != sigTag {
			continue
		}
		if out != nil {
			return nil, errors.New("signed twice")
		}
		if out, err = readParams(list); err != nil {
			return nil, fmt.Errorf("signature-input: %w", err)
		}
		member, _ = sigs.Get(label)
		item, _ := member.(httpsfv.Item)
		if out.sig, ok = item.Value.([]byte); !ok {
			return nil, errors.New("signature: none for the input")
		}
	}
	if out == nil {
		return nil, errors.New("no signature with tag " + sigTag)
	}
	return out, nil
}

func readParams(list httpsfv.InnerList) (*signature, error) {
	out := &signature{list: list}
	if len(list.Items) > 32 {
		return nil, errors.New("too many components")
	}
	var seen int
	for _, name := range list.Params.Names() {
		value, _ := list.Params.Get(name)
		var ok bool
		switch name {
		case "created":
			var at int64
			at, ok = value.(int64)
			out.created = time.Unix(at, 0)
			seen++
		case "keyid":
			out.keyID, ok = value.(string)
			seen++
		case "nonce":
			var text string
			text, ok = value.(string)
			raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
			ok = ok && err == nil && copy(out.nonce[:], raw) == len(out.nonce) && len(raw) == len(out.nonce)
			seen++
		case "alg":
			ok = value == "ed25519"
		case "tag":
			ok = true
		}
		if !ok {
			return nil, fmt.Errorf("parameter %s is not as it should be", name)
		}
	}
	if seen != 3 {
		return nil, errors.New("created, keyid or nonce is missing")
	}
	return out, nil
}

// verify says why a signature is not good for a message.
func (s *signature) verify(m message, verify func(msg, sig []byte) error) error {
	var covered []string
	for _, item := range s.list.Items {
		name, _ := item.Value.(string)
		covered = append(covered, name)
	}
	for _, name := range m.required() {
		if !slices.Contains(covered, name) {
			return fmt.Errorf("%s is not signed", name)
		}
		if !strings.HasPrefix(name, "@") && len(m.header.Values(name)) > 1 {
			return fmt.Errorf("%s is there twice", name)
		}
	}
	base, err := m.base(s.list)
	if err != nil {
		return err
	}
	return verify([]byte(base), s.sig)
}
