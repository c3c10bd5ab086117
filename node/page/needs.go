package page

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/omsync/omsync/node/status"
)

// needsData is what the sheet of what needs somebody shows.
type needsData struct {
	*status.Sheet
	Text string
	Mail template.URL
}

// maxMail is how much of the text a link for mail has, in bytes: some programs take no more.
const maxMail = 1500

func (a *asked) needs() (*needsData, error) {
	s, err := a.page.source.standing(a.ctx())
	if err != nil {
		return nil, err
	}
	d := &needsData{Sheet: s.Sheet(time.Now())}
	d.Text = d.Sheet.Text(a.view.printer)
	body := d.Text
	if len(body) > maxMail {
		cut := strings.LastIndexByte(body[:maxMail], '\n')
		body = strings.ToValidUTF8(body[:max(cut, 0)], "") + "\n…\n"
	}
	subject := "omsync: " + a.view.printer.Say("What needs somebody at %s", s.Node)
	d.Mail = template.URL("mailto:?subject=" + url.PathEscape(subject) + "&body=" + url.PathEscape(strings.ReplaceAll(body, "\n", "\r\n")))
	return d, nil
}

// needsSheet shows what needs somebody, to print or to send.
func (p *Page) needsSheet(a *asked) error {
	d, err := a.needs()
	if err != nil {
		return err
	}
	return a.show(http.StatusOK, "needs", "What needs somebody", d)
}

// needsText is the same as a file.
func (p *Page) needsText(a *asked) error {
	d, err := a.needs()
	if err != nil {
		return err
	}
	h := a.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "omsync-"+d.Node+"-"+d.At.Local().Format(time.DateOnly)+".txt"))
	_, err = a.w.Write([]byte(d.Text))
	return err
}
