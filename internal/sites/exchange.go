package sites

import (
	"bytes"
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/journal"
)

// File is a batch file in memory.
type File struct {
	Name     string
	Data     []byte
	From, To *Site
	Made     export.Batch
}

// memory is where a batch under way goes.
type memory struct {
	bytes.Buffer
	name string
	done *[]*File
	f    *File
}

func (m *memory) Commit() error {
	m.f.Name, m.f.Data = m.name, m.Bytes()
	*m.done = append(*m.done, m.f)
	return nil
}

func (m *memory) Discard() {}

type open struct{ io.Writer }

func (open) Close() error { return nil }

// sign stands in for a signature: whoever changes a bit of the message, or the sender's name, makes another.
func sign(name string, message []byte) []byte {
	h := sha512.New()
	fmt.Fprintf(h, "%q", name)
	h.Write(message)
	return h.Sum(nil)
}

// Export makes the files that take a peer from what it has acknowledged to now; none if there is nothing to send.
func (s *Site) Export(to *Site, opts ...func(*export.Options)) []*File {
	s.t.Helper()
	files, err := s.ExportErr(to, opts...)
	if err != nil {
		s.t.Fatalf("at %s: %v", s.Name, err)
	}
	return files
}

// ExportErr is Export for those that may go wrong.
func (s *Site) ExportErr(to *Site, opts ...func(*export.Options)) ([]*File, error) {
	var files []*File
	o := export.Options{
		Wait: Wait, BeforeLoad: !s.Listens,
		Features: s.Features,
		Policies: s.Policies,
		Sections: s.Sections,
		Create: func(name string) (export.File, error) {
			return &memory{name: name, done: &files, f: &File{From: s, To: to}}, nil
		},
		Encrypt: func(w io.Writer) (io.WriteCloser, error) { return open{w}, nil },
		Sign:    func(message []byte) ([]byte, error) { return sign(s.Name, message), nil },
	}
	if s.unread[to.Name] {
		o.Unread = []string{features.ShortKeys}
	}
	for _, f := range opts {
		f(&o)
	}
	made, err := export.Export(context.Background(), s.J, to.Name, o)
	for i := range made {
		files[i].Made = made[i]
	}
	return files, err
}

// Full asks an export for a full load.
func Full(o *export.Options) { o.Full = true }

// Parts asks an export to split a full load.
func Parts(size int64) func(*export.Options) {
	return func(o *export.Options) { o.PartSize = size }
}

// Send exports to a peer and imports there; nil if there was nothing to send.
func (s *Site) Send(to *Site) []*apply.Report {
	s.t.Helper()
	var out []*apply.Report
	for _, f := range s.Export(to) {
		out = append(out, to.Import(f))
	}
	return out
}

// Errors of the stand-in for a signature.
var (
	ErrForged   = errors.New("the signature is not the sender's")
	ErrReceiver = errors.New("the batch is for another node")
)

// Import applies a file; an error ends the test.
func (s *Site) Import(f *File, opts ...func(*apply.Options)) *apply.Report {
	s.t.Helper()
	r, err := s.ImportErr(f, opts...)
	if err != nil {
		s.t.Fatalf("at %s, %s: %v", s.Name, f.Name, err)
	}
	return r
}

// ImportErr is Import for files that may be refused. At a site that Waits, what can be applied of the rows that wait is applied too.
func (s *Site) ImportErr(f *File, opts ...func(*apply.Options)) (*apply.Report, error) {
	r, err := apply.Import(context.Background(), s.J, bytes.NewReader(f.Data), int64(len(f.Data)), s.applyOptions(opts...))
	if err == nil {
		err = s.noteMissed(f, r)
	}
	if err == nil && s.Waits {
		err = s.Retry()
	}
	return r, err
}

// noteMissed has the sender of a file hear that its short keys were missed, until one was applied.
func (s *Site) noteMissed(f *File, r *apply.Report) error {
	if !r.Missed {
		if r.Outcome == apply.Applied && f.From != nil {
			delete(s.unread, f.From.Name)
		}
		return nil
	}
	if s.unread == nil {
		s.unread = map[string]bool{}
	}
	s.unread[f.From.Name] = true
	p, err := journal.PeerByName(context.Background(), s.J.DB, f.From.Name, false)
	if err != nil {
		return err
	}
	p.Link.HeaderDue = true
	return journal.SavePeer(context.Background(), s.J.DB, p)
}

// Retry tries all rows again that wait, until nothing comes of it.
func (s *Site) Retry() error {
	peers, err := journal.Peers(context.Background(), s.J.DB)
	for again := true; again && err == nil; {
		again = false
		for _, p := range peers {
			r, e := apply.Retry(context.Background(), s.J, p.Name, journal.WaitingFilter{}, s.applyOptions())
			if e != nil {
				return e
			}
			again = again || r != nil && r.Retried > 0
		}
	}
	return err
}

func (s *Site) applyOptions(opts ...func(*apply.Options)) apply.Options {
	o := apply.Options{
		Strict: !s.Waits, Policies: s.Policies,
		Wait: Wait,
		Seal: func(ctx context.Context) error {
			_, err := capture.Seal(ctx, s.J, Wait)
			return err
		},
		Verify: func(h *batch.Header, message, signature []byte) error {
			switch {
			case h.Receiver != s.Name:
				return fmt.Errorf("%w: %s", ErrReceiver, h.Receiver)
			case !bytes.Equal(signature, sign(h.Sender, message)):
				return ErrForged
			}
			return nil
		},
		Decrypt: func(r io.Reader) (io.Reader, error) { return r, nil },
	}
	if s.Options != nil {
		s.Options(&o)
	}
	for _, f := range opts {
		f(&o)
	}
	return o
}

// links lists the links among the sites, each end once, as the sites are listed.
func links(sites []*Site) [][2]*Site {
	var out [][2]*Site
	for _, a := range sites {
		for _, b := range sites {
			if b.parent == a || a.parent == b {
				out = append(out, [2]*Site{a, b})
			}
		}
	}
	return out
}

// rounds is how many rounds an exchange may take: each level of the tree takes two, and some more are due to acknowledge.
const rounds = 12

// Exchange lets every site send to its peers among the sites, again and again, until nobody has anything to send. It
// answers the reports of all imports. A batch that is not applied ends the test.
func Exchange(sites ...*Site) []*apply.Report { return exchange(sites, 1) }

// ExchangeTwice is Exchange with every file imported twice: the second time there must be nothing to do.
func ExchangeTwice(sites ...*Site) []*apply.Report { return exchange(sites, 2) }

func exchange(sites []*Site, times int) []*apply.Report {
	t := sites[0].t
	t.Helper()
	var reports []*apply.Report
	for range rounds {
		sent := 0
		for _, l := range links(sites) {
			for _, f := range l[0].Export(l[1]) {
				sent++
				r := l[1].Import(f)
				if r.Missed { // it comes again with whole keys
					continue
				}
				if r.Outcome == apply.Gap || r.Outcome == apply.Refused {
					t.Fatalf("at %s, %s: %s: %s", l[1].Name, f.Name, r.Outcome, r.Why)
				}
				reports = append(reports, r)
				for range times - 1 {
					r := l[1].Import(f)
					if r.Outcome != apply.Covered || r.Inserted+r.Updated+r.Deleted != 0 {
						t.Fatalf("at %s, %s again: %+v", l[1].Name, f.Name, r)
					}
				}
			}
		}
		if sent == 0 {
			return reports
		}
	}
	t.Fatalf("an exchange that does not end: after %d rounds there is still something to send", rounds)
	return nil
}

// Quiet makes sure that after an exchange nobody has anything to send: nothing goes back to where it came from.
func Quiet(t testing.TB, sites ...*Site) {
	t.Helper()
	for _, l := range links(sites) {
		for _, f := range l[0].Export(l[1]) {
			t.Errorf("%s still sends %s: %d rows, %d deletions", l[0].Name, f.Name, f.Made.Rows, f.Made.Deletions)
			for _, r := range l[1].Import(f).Tables {
				t.Logf("  %+v", r)
			}
		}
	}
}

// Conflicts lists what lost at the site, as "table column loser→winner", sorted.
func (s *Site) Conflicts() []string {
	s.t.Helper()
	var out []string
	for _, r := range s.Query("SELECT table_name, column_name, value, deletion FROM omsync_conflict ORDER BY id") {
		line := r[0] + "." + r[1] + "=" + r[2]
		if r[3] == "1" {
			line = r[0] + " deleted"
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}
