package page

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/omsync/omsync/node/status"
)

// fileNumber stands for a file in a form: its name may be anything.
func fileNumber(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}

// filesData is what the view of files that are not applied shows.
type filesData struct {
	Deletions []deletionsLine // that wait for a person, by sender
	Failed    []status.File
}

// deletionsLine is what the files of a sender delete that wait for a person.
type deletionsLine struct {
	Sender string
	Files  []status.File
}

// files shows the files that came and are not applied: names and numbers, and nothing of a patient.
func (p *Page) files(a *asked) error {
	s, err := p.source.standing(a.ctx())
	if err != nil {
		return err
	}
	var d filesData
	for _, f := range s.Troubled {
		if f.Deletions == nil || f.Aside {
			d.Failed = append(d.Failed, f)
			continue
		}
		found := false
		for i := range d.Deletions {
			if d.Deletions[i].Sender == f.Sender {
				d.Deletions[i].Files, found = append(d.Deletions[i].Files, f), true
			}
		}
		if !found {
			d.Deletions = append(d.Deletions, deletionsLine{f.Sender, []status.File{f}})
		}
	}
	d.Failed = d.Failed[:min(len(d.Failed), perPage)]
	d.Deletions = d.Deletions[:min(len(d.Deletions), perPage)]
	return a.show(http.StatusOK, "files", "Files that are not applied", d)
}

// acceptDeletions lets a peer's files through that wait for what they delete.
func (p *Page) acceptDeletions(a *asked) error {
	name, err := a.peerName(a.r.PathValue("name"))
	if err != nil {
		return err
	}
	if a.r.PostFormValue("sure") != "yes" {
		a.refuse(http.StatusUnprocessableEntity, a.view.printer.Say("Nothing was deleted: say that you are sure."))
		return nil
	}
	return a.act([]string{"files"}, "import", "--accept-deletions="+name)
}

// decideFile has a file that failed tried again, or thrown away.
func (p *Page) decideFile(a *asked) error {
	verb := a.r.PathValue("how")
	if verb != "retry" && verb != "drop" {
		return errNothing
	}
	s, err := p.source.standing(a.ctx())
	if err != nil {
		return err
	}
	for _, f := range s.Troubled {
		if fileNumber(f.File) == a.r.PostFormValue("file") {
			return a.act([]string{"files"}, "inbox", verb, "--", f.File)
		}
	}
	return errNothing
}
