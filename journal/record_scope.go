package journal

// ScopeRules is what omsync_scope_peer.rules holds: the rules that fill a child's scope, and up to when they were followed.
type ScopeRules struct {
	Names []string // of the rules, in the configuration
	Text  string   // what the rules said when they were last followed
	Epoch uint64   // this node's epoch up to which they were
	Full  int64    // when all rows were last looked at, µs since 1970 UTC
}

type scopeRulesRecord struct {
	Version int      `json:"version"`
	Rules   []string `json:"rules"`
	Text    string   `json:"text,omitempty"`
	Epoch   uint64   `json:"epoch,omitempty"`
	Full    int64    `json:"full,omitempty"`
}

// EncodeScopeRules returns rules as omsync_scope_peer.rules holds them; nil for none.
func EncodeScopeRules(r ScopeRules) ([]byte, error) {
	if len(r.Names) == 0 {
		return nil, nil
	}
	return encodeRecord("rules of a scope", scopeRulesRecord{recordVersion, r.Names, r.Text, r.Epoch, r.Full})
}

// DecodeScopeRules reads what EncodeScopeRules wrote.
func DecodeScopeRules(b []byte) (ScopeRules, error) {
	if b == nil {
		return ScopeRules{}, nil
	}
	var r scopeRulesRecord
	err := decodeRecord("rules of a scope", recordVersion, b, &r)
	return ScopeRules{r.Rules, r.Text, r.Epoch, r.Full}, err
}
