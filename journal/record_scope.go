package journal

// scopeRulesRecord is the names of the rules that fill a child's scope, as omsync_scope_peer.rules holds them; NULL stands for none.
type scopeRulesRecord struct {
	Version int      `json:"version"`
	Rules   []string `json:"rules"`
}

// EncodeScopeRules returns the names of rules as omsync_scope_peer.rules holds them; nil for none.
func EncodeScopeRules(rules []string) ([]byte, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	return encodeRecord("rules of a scope", scopeRulesRecord{recordVersion, rules})
}

// DecodeScopeRules reads what EncodeScopeRules wrote.
func DecodeScopeRules(b []byte) ([]string, error) {
	if b == nil {
		return nil, nil
	}
	var r scopeRulesRecord
	err := decodeRecord("rules of a scope", recordVersion, b, &r)
	return r.Rules, err
}
