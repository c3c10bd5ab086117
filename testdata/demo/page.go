package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
)

// errStayed is how a demo ends that stayed until somebody interrupted it.
var errStayed = errors.New("it stayed until it was interrupted")

var (
	pageListens = regexp.MustCompile(`msg=listening .*address=(\S+) page=`)
	firstLink   = regexp.MustCompile(`/first/\S+`)
)

// page shows the hub's page until the context ends, and ends with its address.
func (d *stage) page() (err error) {
	d.title("The page of the hub")
	d.say("Who runs the hub looks at a page. The link lets anna choose a password, once. It is for this computer alone.")
	args := []string{"--home", d.hub.name, "page", "user", "add", "anna", "--role", "operator"}
	d.command("omsync", args...)
	var said bytes.Buffer
	if err := d.execute(done, &said, args...); err != nil {
		return err
	}
	link := firstLink.FindString(said.String())
	if link == "" {
		return fmt.Errorf("omsync page user add gave no link: %s", said.String())
	}
	const log = "page.log"
	args = []string{"--home", d.hub.name, "page", "--listen", "127.0.0.1:0"}
	d.command("omsync", append(args, "2>>", log, "&")...)
	if d.shown, err = d.background(log, args...); err != nil {
		return err
	}
	address, text, err := d.listens(d.shown, pageListens, filepath.Join(d.dir, log), 0)
	if err == nil && address == "" {
		err = fmt.Errorf("the page does not start: %s", text)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nThe page is at http://%s%s\n", address, link)
	select {
	case <-d.ctx.Done():
		return errStayed
	case <-d.shown.ended:
		return errors.New("the page ended by itself")
	}
}
