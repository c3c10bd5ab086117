package export

import "github.com/omsync/omsync/schema"

// pages holds a number for each row of some tables, 0 until it is set, by the rows' integers.
type pages map[*schema.Table]*paged

// of returns the numbers of a table.
func (ps pages) of(t *schema.Table) *paged {
	p := ps[t]
	if p == nil {
		p = &paged{pages: map[int64]*[pageSize]uint32{}}
		ps[t] = p
	}
	return p
}

// paged is a sparse array: integers of rows come in runs.
type paged struct {
	pages map[int64]*[pageSize]uint32
	at    int64 // of the page that was asked for last; that one
	last  *[pageSize]uint32
}

const (
	pageBits = 12
	pageSize = 1 << pageBits
)

func (p *paged) get(i int64) uint32 {
	if page := p.page(i); page != nil {
		return page[i&(pageSize-1)]
	}
	return 0
}

// page returns the page of an integer, nil if there is none.
func (p *paged) page(i int64) *[pageSize]uint32 {
	at := i >> pageBits
	if p.last == nil || p.at != at {
		p.at, p.last = at, p.pages[at]
	}
	return p.last
}

func (p *paged) set(i int64, v uint32) {
	page := p.page(i)
	if page == nil {
		page = new([pageSize]uint32)
		p.pages[i>>pageBits], p.last = page, page
	}
	page[i&(pageSize-1)] = v
}
