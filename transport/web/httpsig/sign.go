package httpsig

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/dunglas/httpsfv"
)

// label names omsync's signature in the two headers. A reader goes by the tag instead.
const label = "omsync"

// Sign adds Signature-Input and Signature to the message's header. sign makes the Ed25519 signature of a text; keyID is the
// name of the node whose key that is.
func (m Message) Sign(keyID string, created time.Time, sign func(msg []byte) ([]byte, error)) error {
	var nonce [16]byte
	rand.Read(nonce[:])
	list := httpsfv.InnerList{Params: httpsfv.NewParams()}
	for _, name := range m.Required() {
		list.Items = append(list.Items, httpsfv.NewItem(name))
	}
	list.Params.Add("created", created.Unix())
	list.Params.Add("keyid", keyID)
	list.Params.Add("nonce", base64.RawURLEncoding.EncodeToString(nonce[:]))
	list.Params.Add("tag", Tag)
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
		d.Add(label, member)
		value, err := httpsfv.Marshal(d)
		if err != nil {
			return err
		}
		m.Header.Set(header, value)
	}
	return nil
}
