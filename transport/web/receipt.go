package web

// Mail is a file that waits for a node.
type Mail struct {
	Name string `json:"name"`
	Size int64  `json:"size"`           // bytes
	Data []byte `json:"data,omitempty"` // the whole file, if it came along: in a Receipt, files up to [MaxInline]
}

// Receipt is what the server says of a file that it has stored.
type Receipt struct {
	Outcome string `json:"outcome"`        // "stored", or what the server did with it
	Why     string `json:"why,omitempty"`  // for people
	Mail    []Mail `json:"mail,omitempty"` // what waits for the node now
}
