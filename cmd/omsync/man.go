package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"github.com/omsync/omsync/internal/failure"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages into a folder",
		Long: `Write a man page for omsync and for each command into a folder, which is made if it is missing. The pages bear the date that
SOURCE_DATE_EPOCH says, or else that of the commit that the program was built from: the same program writes the same pages.`,
		Args:   cobra.ExactArgs(1),
		Hidden: true, // for who makes packages
		RunE:   func(_ *cobra.Command, args []string) error { return writeMan(args[0]) },
	}
}

// writeMan writes pages of section 1. The root command is a new one: what makes Markdown of its texts, which cobra takes
// them for, changes it.
func writeMan(dir string) error {
	date, err := manDate()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write man pages: %w", err)
	}
	root := newRoot()
	literal(root)
	return writePages(root, date, dir)
}

// writePages writes the page of a command and those of the commands below it.
func writePages(c *cobra.Command, date time.Time, dir string) error {
	release, _, _ := strings.Cut(version(), "-") // without what tells one commit from another: it goes into the foot of the page
	h := &doc.GenManHeader{Section: "1", Date: &date, Source: "omsync " + release, Manual: "omsync"}
	var page bytes.Buffer
	if err := doc.GenMan(c, h, &page); err != nil {
		return fmt.Errorf("write man pages: %w", err)
	}
	name := filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
	if err := os.WriteFile(name, polish(page.Bytes(), date), 0o644); err != nil {
		return fmt.Errorf("write man pages: %w", err)
	}
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			continue // as cobra's own GenManTree does: hidden ones, and help
		}
		if err := writePages(sub, date, dir); err != nil {
			return err
		}
	}
	return nil
}

// A flag with its text, as cobra sets it: a paragraph with a tab in it, for which man has a better form.
var manFlag = regexp.MustCompile(`(?m)(?:^\.PP\n)?^(\\fB-.*?)(\[=false\])?\n\t(.*)$`)

// polish makes of flags a list, of the month a date in the form that man and mandoc know, and takes out the empty lines
// before macros: they are printed.
func polish(page []byte, date time.Time) []byte {
	page = bytes.Replace(page, []byte(date.Format(`"Jan 2006"`)), []byte(date.Format(`"2006-01-02"`)), 1)
	page = manFlag.ReplaceAll(page, []byte(".TP\n$1\n$3"))
	return regexp.MustCompile(`\n{2,}\.`).ReplaceAll(page, []byte("\n."))
}

// manDate is what SOURCE_DATE_EPOCH says (reproducible-builds.org/specs/source-date-epoch: seconds since 1970), or else
// the time of the commit that this program was built from. A program that does not know it has pages of 1970.
func manDate() (time.Time, error) {
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		s, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return time.Time{}, failure.Hinted(errors.New("SOURCE_DATE_EPOCH is no number of seconds: "+strconv.Quote(epoch)), "set it to the output of date +%%s, or unset it")
		}
		return time.Unix(s, 0).UTC(), nil
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key != "vcs.time" {
				continue
			}
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				return t.UTC(), nil
			}
		}
	}
	return time.Unix(0, 0).UTC(), nil
}

// literal keeps the texts of a command and of those below it as they are when they are read as Markdown.
func literal(c *cobra.Command) {
	c.DisableAutoGenTag = true
	name, args, _ := strings.Cut(c.Use, " ")
	c.Use = strings.TrimSpace(name + " " + markdown(args))
	c.Short, c.Long = markdown(c.Short), markdown(c.Long)
	escape := func(f *pflag.Flag) { f.Usage = markdown(f.Usage) }
	c.LocalNonPersistentFlags().VisitAll(escape)
	c.PersistentFlags().VisitAll(escape)
	for _, sub := range c.Commands() {
		literal(sub)
	}
}

// markdown escapes what means something in Markdown.
func markdown(s string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `<`, `\<`, `>`, `\>`,
		`#`, `\#`, `|`, `\|`, `~`, `\~`, `&`, `\&`).Replace(s)
}
