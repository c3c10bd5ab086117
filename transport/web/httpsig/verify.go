package httpsig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// maxComponents is the most that a signature may cover.
const maxComponents = 32

// Signature is what a request's header says of who signed it, and when. Nothing of it holds before [Signature.Verify].
type Signature struct {
	KeyID   string
	Nonce   [16]byte
	Created time.Time // whole seconds
	list    httpsfv.InnerList
	sig     []byte
}

// Parse returns the one signature that is meant for omsync. Parameters and components that it does not know are an error.
func Parse(h http.Header) (*Signature, error) {
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
	var out *Signature
	for _, label := range inputs.Names() {
		member, _ := inputs.Get(label)
		list, ok := member.(httpsfv.InnerList)
		if !ok || list.Params == nil {
			return nil, errors.New("signature-input: a list of components is missing")
		}
		if tag, _ := list.Params.Get("tag"); tag != Tag {
			continue
		}
		if out != nil {
			return nil, errors.New("signed twice")
		}
		if out, err = parseInput(list); err != nil {
			return nil, fmt.Errorf("signature-input: %w", err)
		}
		member, _ = sigs.Get(label)
		item, _ := member.(httpsfv.Item)
		if out.sig, ok = item.Value.([]byte); !ok {
			return nil, errors.New("signature: none for the input")
		}
	}
	if out == nil {
		return nil, errors.New("no signature with tag " + Tag)
	}
	return out, nil
}

// parseInput reads one member of Signature-Input.
func parseInput(list httpsfv.InnerList) (*Signature, error) {
	out := &Signature{list: list}
	if len(list.Items) > maxComponents {
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
			out.Created = time.Unix(at, 0)
			seen++
		case "keyid":
			out.KeyID, ok = value.(string)
			seen++
		case "nonce":
			out.Nonce, ok = parseNonce(value)
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

// parseNonce reads 16 bytes in base64url without padding.
func parseNonce(value any) (out [16]byte, ok bool) {
	text, ok := value.(string)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(raw) != len(out) {
		return out, false
	}
	copy(out[:], raw)
	return out, true
}

// Verify checks the signature of a message: that it covers all that it has to ([Message.Required]), each field there once,
// and that verify takes it for the text that was signed. The error says what is wrong.
func (s *Signature) Verify(m Message, verify func(msg, sig []byte) error) error {
	var covered []string
	for _, item := range s.list.Items {
		name, _ := item.Value.(string)
		covered = append(covered, name)
	}
	for _, name := range m.Required() {
		if !slices.Contains(covered, name) {
			return fmt.Errorf("%s is not signed", name)
		}
		if !strings.HasPrefix(name, "@") && len(m.Header.Values(name)) > 1 {
			return fmt.Errorf("%s is there twice", name)
		}
	}
	base, err := m.base(s.list)
	if err != nil {
		return err
	}
	return verify([]byte(base), s.sig)
}
