package journal

import "github.com/omsync/omsync/access"

// rulesRecord is a [Rules] as omsync_rule.rules holds it.
type rulesRecord struct {
	Version int                  `json:"version"`
	Preset  string               `json:"preset,omitempty"`
	Said    []saidRecord         `json:"said,omitempty"`
	Told    map[string]wayRecord `json:"told,omitempty"`
	IsTold  bool                 `json:"is_told,omitempty"`
	Epoch   uint64               `json:"epoch,omitempty"`
	History uint64               `json:"history,omitempty"`
	Offered bool                 `json:"offered,omitempty"`
	Seen    map[string]wayRecord `json:"seen,omitempty"`
	Allowed map[string]wayRecord `json:"allowed,omitempty"`
}

type saidRecord struct {
	Tables    string `json:"tables"`
	Column    string `json:"column,omitempty"`
	Pattern   string `json:"pattern,omitempty"`
	Direction string `json:"direction"`
}

type wayRecord struct {
	Direction string       `json:"direction"`
	Staff     bool         `json:"staff,omitempty"`
	NotUp     []string     `json:"not_up,omitempty"`
	NotDown   []string     `json:"not_down,omitempty"`
	Rows      []rowsRecord `json:"rows,omitempty"`
}

type rowsRecord struct {
	Column  string `json:"column"`
	Pattern string `json:"pattern"`
}

func encodeRules(r Rules) ([]byte, error) {
	out := rulesRecord{Version: recordVersion, Preset: string(r.Preset), Told: waysRecord(r.Told), IsTold: r.Told != nil, Epoch: r.Epoch, History: r.History, Offered: r.Offered,
		Seen: waysRecord(r.Seen), Allowed: waysRecord(r.Allowed)}
	for _, s := range r.Said {
		out.Said = append(out.Said, saidRecord{s.Tables, s.Column, s.Pattern, s.Direction.String()})
	}
	return encodeRecord("rules of a link", out)
}

func waysRecord(ways map[string]access.Way) map[string]wayRecord {
	out := make(map[string]wayRecord, len(ways))
	for t, w := range ways {
		r := wayRecord{Direction: w.Direction.String(), Staff: w.Staff, NotUp: w.NotUp, NotDown: w.NotDown}
		for _, s := range w.Rows {
			r.Rows = append(r.Rows, rowsRecord(s))
		}
		out[t] = r
	}
	return out
}

func decodeRules(b []byte) (Rules, error) {
	if b == nil {
		return Rules{}, nil
	}
	var r rulesRecord
	err := decodeRecord("rules of a link", recordVersion, b, &r)
	out := Rules{Preset: access.Preset(r.Preset), Epoch: r.Epoch, History: r.History, Offered: r.Offered, Seen: waysOf(r.Seen), Allowed: waysOf(r.Allowed)}
	if r.IsTold {
		if out.Told = waysOf(r.Told); out.Told == nil {
			out.Told = map[string]access.Way{}
		}
	}
	for _, s := range r.Said {
		out.Said = append(out.Said, access.Said{Tables: s.Tables, Column: s.Column, Pattern: s.Pattern, Direction: directionOf(s.Direction)})
	}
	return out, err
}

func waysOf(records map[string]wayRecord) map[string]access.Way {
	if records == nil {
		return nil
	}
	out := make(map[string]access.Way, len(records))
	for t, r := range records {
		w := access.Way{Direction: directionOf(r.Direction), Staff: r.Staff, NotUp: r.NotUp, NotDown: r.NotDown}
		for _, s := range r.Rows {
			w.Rows = append(w.Rows, access.Rows(s))
		}
		out[t] = w
	}
	return out
}

// directionOf reads a direction that was stored; one that is not known lets nothing go.
func directionOf(s string) access.Direction {
	if d, ok := access.ParseDirection(s); ok {
		return d
	}
	return access.None
}
