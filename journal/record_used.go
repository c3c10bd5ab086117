package journal

import "github.com/omsync/omsync/access"

// usedRecord is an [access.Used] as omsync_peer.used holds it; NULL stands for the zero one.
type usedRecord struct {
	Version int               `json:"version"`
	Used    map[string]uint64 `json:"used,omitempty"` // by the names of quotas
	Stopped *stoppedRecord    `json:"stopped,omitempty"`
}

// stoppedRecord is the file that would have used too much.
type stoppedRecord struct {
	Quota string `json:"quota"`
	Used  uint64 `json:"used"`
	More  uint64 `json:"more"`
	Limit uint64 `json:"limit"`
}

// encodeUsed returns nil for the zero Used.
func encodeUsed(u access.Used) ([]byte, error) {
	if len(u.Amounts) == 0 && u.Stopped == nil {
		return nil, nil
	}
	r := usedRecord{Version: recordVersion}
	for q, n := range u.Amounts {
		if r.Used == nil {
			r.Used = map[string]uint64{}
		}
		r.Used[string(q)] = n
	}
	if o := u.Stopped; o != nil {
		r.Stopped = &stoppedRecord{string(o.Quota), o.Used, o.More, o.Limit}
	}
	return encodeRecord("use of quotas", r)
}

// decodeUsed returns the zero Used for nil. The name of the peer is the caller's to fill in.
func decodeUsed(b []byte) (access.Used, error) {
	if b == nil {
		return access.Used{}, nil
	}
	var r usedRecord
	if err := decodeRecord("use of quotas", recordVersion, b, &r); err != nil {
		return access.Used{}, err
	}
	var u access.Used
	for q, n := range r.Used {
		if u.Amounts == nil {
			u.Amounts = access.Amounts{}
		}
		u.Amounts[access.Quota(q)] = n
	}
	if o := r.Stopped; o != nil {
		u.Stopped = &access.OverQuota{Quota: access.Quota(o.Quota), Used: o.Used, More: o.More, Limit: o.Limit}
	}
	return u, nil
}
