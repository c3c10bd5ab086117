package merge

// NamesShort reports whether the batch of this header to the peer may name rows by the beginning of their keys: it starts where the peer said that
// it is. Whoever was not heard, or is sent everything or what it has not acknowledged, may have nothing of what is named.
func (l *Link) NamesShort(h Header) bool {
	return h.Base != (Position{}) && h.Base == l.Acked && !h.Ahead && h.Load == 0 && !l.Doubted
}

// SurelyHas reports whether p has a live row, in a batch that [Link.NamesShort]: the row came from there, or was sent and acknowledged. goes: this row, like all of its
// table, went to p whenever something of it was new. It may be gone from there since: p then asks for the batch again.
func (l *Link) SurelyHas(r Row, p Peer, goes bool) bool {
	v, ok := r.existence()
	return ok && r.Alive && (r.CameFrom(p) || goes && v.Epoch <= l.Acked.Epoch)
}
