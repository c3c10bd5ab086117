package journal

// columnsRecord is the columns of a table as omsync_table.columns holds them.
type columnsRecord struct {
	Version int            `json:"version"`
	Columns []columnRecord `json:"columns,omitempty"`
}

type columnRecord struct {
	Name        string `json:"name"`
	Bit         int    `json:"bit"`
	Type        string `json:"type,omitempty"`
	Unversioned bool   `json:"unversioned,omitempty"`
}

// flowRecord is how a table flowed when it was last looked at, as omsync_table.flow holds it.
type flowRecord struct {
	Version    int      `json:"version"`
	Direction  string   `json:"direction,omitempty"`
	ExcludedUp []string `json:"excluded_up,omitempty"`
	Excluded   []string `json:"excluded,omitempty"`
	Released   []string `json:"released,omitempty"`
	Beside     []string `json:"beside,omitempty"`
}

// madeRecord says which table it was when it was last looked at, as omsync_table.made holds it.
type madeRecord struct {
	Version    int    `json:"version"`
	Table      string `json:"table,omitempty"`
	Triggers   string `json:"triggers,omitempty"`
	Journal    string `json:"journal,omitempty"`
	Replaced   bool   `json:"replaced,omitempty"`
	LastChange uint64 `json:"last_change,omitempty"`
}

func encodeColumns(columns []Column) ([]byte, error) {
	r := columnsRecord{Version: recordVersion}
	for _, c := range columns {
		r.Columns = append(r.Columns, columnRecord{c.Name, c.Bit, c.Type, c.New})
	}
	return encodeRecord("columns of a table", r)
}

func decodeColumns(b []byte) ([]Column, error) {
	var r columnsRecord
	if err := decodeRecord("columns of a table", recordVersion, b, &r); err != nil {
		return nil, err
	}
	var out []Column
	for _, c := range r.Columns {
		out = append(out, Column{Name: c.Name, Bit: c.Bit, Type: c.Type, New: c.Unversioned})
	}
	return out, nil
}

func encodeFlow(f Flow) ([]byte, error) {
	return encodeRecord("flow of a table", flowRecord{recordVersion, f.Direction, f.ExcludedUp, f.Excluded, f.Released, f.Beside})
}

func decodeFlow(b []byte) (Flow, error) {
	var r flowRecord
	err := decodeRecord("flow of a table", recordVersion, b, &r)
	return Flow{r.Direction, r.ExcludedUp, r.Excluded, r.Released, r.Beside}, err
}

func encodeMade(m Made) ([]byte, error) {
	return encodeRecord("making of a table", madeRecord{recordVersion, m.Table, m.Triggers, m.Journal, m.Replaced, m.LastChange})
}

func decodeMade(b []byte) (Made, error) {
	var r madeRecord
	err := decodeRecord("making of a table", recordVersion, b, &r)
	return Made{r.Table, r.Triggers, r.Journal, r.Replaced, r.LastChange}, err
}
