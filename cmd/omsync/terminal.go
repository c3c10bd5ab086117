package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/health"
)

// errNotTerminal means that there is nobody to ask.
var errNotTerminal = errors.New("nobody can be asked: this is not a terminal")

// isTerminal reports whether a person is at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// warner returns what prints what a person should know.
func warner(w io.Writer) func(string, ...any) {
	return func(format string, args ...any) { fmt.Fprintf(w, "omsync: warning: "+format+"\n", args...) }
}

// listener prints what a person should know while a node is opened and used.
func listener(w io.Writer) node.Listener {
	return node.Listener{
		Say:  func(format string, args ...any) { fmt.Fprintf(w, "omsync: "+format+"\n", args...) },
		Warn: warner(w),
	}
}

// exchanging returns the node as package exchange wants it, with bars where a person looks on.
func exchanging(stderr io.Writer, n *node.Node) *exchange.Node {
	x := health.Exchange(n, version())
	if p, ok := stderr.(*printed); ok && p.progress != nil {
		x.Progress = func(label string, unit exchange.Unit) exchange.Bar { return pageBar{p, label, unit} }
	}
	if isTerminal(stderr) {
		x.Progress = func(label string, unit exchange.Unit) exchange.Bar { return newProgress(stderr, label, unit) }
	}
	return x
}

// table is lines with columns under each other, cut to the width of the terminal that they go to.
type table struct {
	*tabwriter.Writer
	lines bytes.Buffer
	out   io.Writer
}

func newTable(out io.Writer) *table {
	t := &table{out: out}
	t.Writer = tabwriter.NewWriter(&t.lines, 0, 0, 2, ' ', 0)
	return t
}

// Flush writes the lines.
func (t *table) Flush() error {
	if err := t.Writer.Flush(); err != nil {
		return err
	}
	text := t.lines.String()
	if f, ok := t.out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			text = cutLines(text, width)
		}
	}
	_, err := io.WriteString(t.out, text)
	return err
}

// cutLines cuts lines to so many characters.
func cutLines(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if r := []rune(line); len(r) > width {
			lines[i] = string(r[:width-1]) + "…"
		}
	}
	return strings.Join(lines, "\n")
}

// confirm asks a question that only "yes" agrees to. Without a terminal it answers errNotTerminal.
func confirm(ctx context.Context, cmd *cobra.Command, question string) (bool, error) {
	in := cmd.InOrStdin()
	if !isTerminal(in) {
		return false, errNotTerminal
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s Type yes to go on: ", question)
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // the read cannot be interrupted
		line, err := bufio.NewReader(in).ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case a := <-got:
		if a.err != nil && a.err != io.EOF {
			return false, fmt.Errorf("read the answer: %w", a.err)
		}
		return strings.EqualFold(strings.TrimSpace(a.line), "yes"), nil
	}
}

// fromInput, as the value of a flag, means that a secret comes from standard input: others can see a command's arguments.
const fromInput = "-"

// readSecret reads a line from standard input, and says on a terminal what it waits for.
func readSecret(cmd *cobra.Command, what string) (string, error) {
	in := cmd.InOrStdin()
	if isTerminal(in) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: ", what)
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxSecret)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("read the %s from standard input: %w", what, err)
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("the first line of standard input should be the %s, and is empty", what)
	}
	return line, nil
}

// maxSecret is how long a line with a secret may be, in bytes.
const maxSecret = 16 << 10

// progress is a bar on a person's terminal.
type progress struct {
	w     io.Writer
	label string
	unit  exchange.Unit
	bar   *progressbar.ProgressBar
	total int64
}

func newProgress(w io.Writer, label string, unit exchange.Unit) *progress {
	return &progress{w: w, label: label, unit: unit}
}

// Show moves the bar; a total of 0 is not known.
func (p *progress) Show(done, total int64) {
	if p.bar == nil || total != p.total {
		p.Done()
		p.total = total
		length := total
		if length <= 0 {
			length = -1
		}
		options := []progressbar.Option{progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(p.label),
			progressbar.OptionThrottle(200 * time.Millisecond), progressbar.OptionClearOnFinish()}
		if p.unit == exchange.Bytes {
			options = append(options, progressbar.OptionShowBytes(true), progressbar.OptionShowTotalBytes(true), progressbar.OptionSetPredictTime(true))
		} else {
			options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"))
		}
		p.bar = progressbar.NewOptions64(length, options...)
	}
	p.bar.Set64(done)
}

// Done takes the bar away, and ends the goroutine that turns its spinner.
func (p *progress) Done() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
