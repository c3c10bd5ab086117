package upload

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Upload is a file that a node wants to store.
type Upload struct {
	Node   string `json:"node"`
	Name   string `json:"name"`
	Length int64  `json:"length"` // bytes
	Digest []byte `json:"digest"` // see web.FileDigest
}

// ID returns a name for the upload that web.IsUploadID takes, the same whenever the node offers the same file.
func (u Upload) ID() string {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(u.Node), []byte(u.Name), u.Digest} {
		binary.Write(h, binary.BigEndian, uint64(len(part)))
		h.Write(part)
	}
	binary.Write(h, binary.BigEndian, u.Length)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func infoName(node, id string) string { return node + "/" + id + ".info" }
func partName(node, id string) string { return node + "/" + id + ".part" }
