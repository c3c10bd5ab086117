package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// crontab is the line of packaging/examples/cron, where homeFolder is the node's.
const (
	crontab    = "*/5 * * * * omsync  /usr/bin/omsync --home /var/lib/omsync sync 2>&1 | logger -t omsync -p daemon.info"
	homeFolder = "/var/lib/omsync"
)

// actTwo is a link now and then, beside the stick.
func (d *stage) actTwo() []func() error {
	return []func() error{d.callable, d.joining, d.cronStarts, d.outage, d.stickToo, d.verdictOfAll}
}

func (d *stage) callable() error {
	d.title("A link now and then: the hub can be called")
	d.say(`Kisumu and migori keep their stick. Two more clinics open, lamu and turkana, with a phone's signal on good days. The
		hub gets a server: what arrives is imported at once. Its certificate is its own, made now.`)
	if err := d.binaries(); err != nil {
		return err
	}
	address, err := d.serve("127.0.0.1:0")
	if err != nil {
		return err
	}
	d.address = address
	return nil
}

func (d *stage) joining() error {
	d.title("Two clinics join by a token")
	if err := d.open(opening{&d.lamu, "lamu", 3 * d.step()}, opening{&d.turkana, "turkana", 4 * d.step()}); err != nil {
		return err
	}
	d.say(`The token says which certificate and which card the clinic must find, and lets one node of this name in, once. No
		card is carried, and both sides know each other afterwards.`)
	for _, s := range d.called() {
		if err := d.omsync(s, "init", "--node", s.name, "--dsn", s.dsn); err != nil {
			return err
		}
		url := "https://" + d.address
		for _, line := range []string{
			fmt.Sprintf("omsync --home hub invite %s --url %s | tee %[1]s.invitation", s.name, url),
			fmt.Sprintf("omsync --home %s join %s --token $(tail -n 1 %[1]s.invitation) --yes", s.name, url),
		} {
			if _, err := d.shell(done, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// called are the clinics that call the hub.
func (d *stage) called() []*site { return []*site{d.lamu, d.turkana} }

// cron runs the command of the crontab's line for a site, as cron would every five minutes, and answers its output.
func (d *stage) cron(codes []int, s *site) (string, error) {
	fields := strings.Fields(crontab)[:6] // the minutes and so on, and the user
	command := crontab[strings.LastIndex(crontab[:strings.Index(crontab, homeFolder)], fields[5]):]
	return d.shell(codes, strings.ReplaceAll(command, homeFolder, s.name))
}

func (d *stage) cronStarts() error {
	d.title("One line of crontab does the rest")
	d.say(`This is all, in /etc/cron.d/omsync of each:`)
	fmt.Fprintf(d.out, "\n  %s\n", crontab)
	d.say(`The demo runs its command as cron does, with other homes, and with a logger that shows what would go to the system's
		log. The first run brings the full load.`)
	for _, s := range d.called() {
		out, err := d.cron(mayRecord, s)
		if err != nil {
			return err
		}
		if !strings.Contains(out, ": applied, epochs 0 to ") {
			return fmt.Errorf("%s got no full load", s.name)
		}
	}
	return nil
}

func (d *stage) outage() error {
	d.title("All work, and the hub's server is killed")
	for i, s := range []*site{d.hub, d.lamu, d.turkana} {
		clinic := s.name
		if s == d.hub {
			clinic = "ward"
		}
		if err := d.register(s, int64(5+i), clinic, 10+d.patients/20, false); err != nil {
			return err
		}
	}
	const who = "kisumu-000001"
	if err := d.edit(d.turkana, "UPDATE person_name SET family_name = 'Lokwang' WHERE person_id = "+patient(who)); err != nil {
		return err
	}
	if _, err := d.cron(done, d.lamu); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "  $ kill -9 %1")
	d.server.kill()
	d.say(`Turkana calls in vain. That is no error (exit code 0). Its file waits, and five minutes later there is but one line
		in the log.`)
	if _, err := d.cron(done, d.turkana); err != nil {
		return err
	}
	out, err := d.cron(done, d.turkana)
	if err != nil {
		return err
	}
	if n := strings.Count(out, "\n"); n != 1 || !strings.Contains(out, ": down since ") {
		return fmt.Errorf("%d lines where one should say since when the link is down", n)
	}
	if err := d.omsync(d.turkana, "status"); err != nil {
		return err
	}
	d.say(`The server starts again. Nobody tells the clinics; cron calls again.`)
	if _, err := d.serve(d.address); err != nil {
		return err
	}
	for _, s := range []*site{d.turkana, d.lamu} {
		if _, err := d.cron(mayRecord, s); err != nil {
			return err
		}
	}
	for _, s := range []*site{d.hub, d.turkana, d.lamu} {
		if err := d.has(s, "SELECT family_name FROM person_name WHERE person_id = "+patient(who)+" LIMIT 1", "Lokwang"); err != nil {
			return err
		}
	}
	d.say(`It was a patient of kisumu's that turkana corrected, and lamu has it by now. What the server noted of the imports:`)
	_, err = d.shell(done, `grep -o 'msg=imported peer=[a-z]*\|inserted=[0-9]* updated=[0-9]* deleted=[0-9]*' hub.log | paste -d ' ' - -`)
	return err
}

// has looks for one value at a site.
func (d *stage) has(s *site, query, want string) error {
	var got string
	if err := s.db.QueryRowContext(d.ctx, query).Scan(&got); err != nil {
		return fmt.Errorf("%s: %s: %w", s.name, query, err)
	}
	if got != want {
		return fmt.Errorf("%s has %q where %q was expected", s.name, got, want)
	}
	return nil
}

func (d *stage) stickToo() error {
	d.title("And the stick goes on")
	d.say(`Sync does with a stick all that is due, whether the site has other links or none. Stick and calls go on until a whole
		round has nothing more to say.`)
	for range 6 {
		quiet := true
		for _, s := range []*site{d.hub, d.kisumu, d.migori, d.hub, d.lamu, d.turkana} {
			var out string
			var err error
			if slices.Contains(d.called(), s) {
				out, err = d.cron(mayRecord, s)
			} else {
				out, err = d.shell(mayRecord, "omsync --home "+s.name+" sync --link folder:stick")
			}
			if err != nil {
				return err
			}
			quiet = quiet && out == ""
		}
		if quiet {
			return d.omsync(d.hub, "status")
		}
	}
	return errors.New("after six rounds there is still something to send")
}

func (d *stage) verdictOfAll() error {
	d.title("Are the five databases equal?")
	fmt.Fprintln(d.out)
	if err := compare(d.ctx, d.out, d.sites()); err != nil {
		return err
	}
	then := "The servers and files of this demo go away now."
	if d.stays {
		then = "They stay, until you press Ctrl-C."
	}
	d.say("The five databases are equal. (%.0f seconds. %s)", time.Since(d.began).Seconds(), then)
	return nil
}
