package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/exchange/cards"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	languages "github.com/omsync/omsync/words"
)

type inspectOptions struct {
	rows bool
	card string
	json bool
}

func newInspect(g *global) *cobra.Command {
	o := &inspectOptions{}
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Say what a batch file holds",
		Long: `Print the clear header of a batch file, for which no keys are needed; nothing vouches for it until the file is imported.

With --rows, and the home folder of the node that the file is for, check the signature and print the rows as JSON lines.
They are patients' data: mind where you print them. The sender's card is taken from the database, or from --card.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runInspect(cmd, g, o, args[0]) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.rows, "rows", false, "decrypt, and print the rows as JSON lines (needs --home)")
	f.StringVar(&o.card, "card", "", "the sender's card, to check the signature without the database")
	f.BoolVar(&o.json, "json", false, "the header as a JSON object")
	return cmd
}

func runInspect(cmd *cobra.Command, g *global, o *inspectOptions, path string) error {
	file, size, err := openFile(path)
	if err != nil {
		return err
	}
	defer file.Close()
	h, err := batch.ReadHeader(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !o.rows {
		if o.json {
			return printJSON(cmd.OutOrStdout(), headerJSON(h, size))
		}
		return printHeader(cmd.OutOrStdout(), h, size)
	}
	if err := printRows(cmd, g, o, file, size, h); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// position is an epoch in JSON. Tokens have 64 bits, more than a JSON number holds everywhere.
type position struct {
	Epoch uint64 `json:"epoch"`
	Token string `json:"token"`
}

func positionJSON(p batch.Position) position { return position{p.Epoch, hex16(p.Token)} }

func hex16(n uint64) string { return fmt.Sprintf("%016x", n) }

// header is the JSON object of a header.
type header struct {
	Sender     string     `json:"sender"`
	Receiver   string     `json:"receiver"`
	Time       string     `json:"time"`
	History    string     `json:"history"`
	Earlier    []string   `json:"earlier_histories,omitempty"`
	Base       position   `json:"base"`
	Upto       position   `json:"upto"`
	Ahead      bool       `json:"ahead"`
	Chain      []position `json:"chain,omitempty"`
	AckHistory string     `json:"acknowledged_history"`
	Ack        position   `json:"acknowledged"`
	Missing    position   `json:"missing"`
	Again      []uint64   `json:"sent_again,omitempty"`
	Ask        []string   `json:"asks_for,omitempty"`
	Reads      []string   `json:"reads,omitempty"`
	Needs      []string   `json:"needs,omitempty"`
	Link       string     `json:"link"`
	PeerLink   string     `json:"peer_link"`
	Load       string     `json:"load,omitempty"`
	Part       uint32     `json:"part,omitempty"`
	Last       bool       `json:"last"`
	LoadHave   string     `json:"load_receiving,omitempty"`
	PartHave   uint32     `json:"part_received,omitempty"`
	Schema     string     `json:"schema"`
	Bytes      int64      `json:"bytes"`
}

func headerJSON(h *batch.Header, size int64) header {
	out := header{Sender: h.Sender, Receiver: h.Receiver, Time: timeText(h.Time), History: hex16(h.History), Base: positionJSON(h.Base), Upto: positionJSON(h.Upto),
		Ahead: h.Ahead, AckHistory: hex16(h.AckHistory), Ack: positionJSON(h.Ack), Missing: positionJSON(h.Missing), Again: h.Resent, Ask: h.TableRequests(), Reads: h.Reads(), Needs: neededFeatures(h), Link: hex16(h.Link),
		PeerLink: hex16(h.PeerLink), Part: h.Part, Last: h.Last, PartHave: h.PartHave, Schema: h.Schema, Bytes: size}
	for _, e := range h.Earlier {
		out.Earlier = append(out.Earlier, hex16(e))
	}
	for _, m := range h.Chain {
		out.Chain = append(out.Chain, positionJSON(m))
	}
	if h.Load != 0 {
		out.Load = hex16(h.Load)
	}
	if h.LoadHave != 0 {
		out.LoadHave = hex16(h.LoadHave)
	}
	return out
}

// neededFeatures returns the names of the features that a reader of the batch must know.
func neededFeatures(h *batch.Header) []string {
	var out []string
	for _, n := range h.Needs() {
		out = append(out, n.Feature)
	}
	return out
}

func printHeader(w io.Writer, h *batch.Header, size int64) error {
	epochs := fmt.Sprintf("%d to %d", h.Base.Epoch, h.Upto.Epoch)
	switch {
	case h.ForMatching():
		epochs = fmt.Sprintf("to compare (omsync match), as of %d", h.Upto.Epoch)
	case h.IsDigest():
		epochs = fmt.Sprintf("a digest (omsync verify), as of %d", h.Upto.Epoch)
	case h.Base.Epoch == 0:
		epochs = fmt.Sprintf("full load to %d", h.Upto.Epoch)
	case h.Ahead:
		epochs += ", built on a batch that was not acknowledged yet"
	}
	ack := "nothing yet"
	if h.Ack.Epoch > 0 {
		ack = fmt.Sprintf("epochs of %s up to %d", failure.Printable(h.Receiver), h.Ack.Epoch)
	}
	lines := []struct{ name, value string }{
		{"from", failure.Printable(h.Sender)}, {"to", failure.Printable(h.Receiver)}, {"made", timeText(h.Time)}, {"epochs", epochs}, {"acknowledges", ack},
		{"history", hex16(h.History)}, {"schema", failure.Printable(h.Schema)}, {"size", languages.Size(size)},
	}
	if h.Load != 0 {
		part := fmt.Sprintf("%d of load %s", h.Part, hex16(h.Load))
		if h.Last {
			part += ", the last"
		}
		lines = append(lines, struct{ name, value string }{"part", part})
	}
	for _, l := range []struct {
		name   string
		values []string
	}{{"asks for", h.TableRequests()}, {"reads", h.Reads()}, {"needs", neededFeatures(h)}} {
		if len(l.values) > 0 {
			lines = append(lines, struct{ name, value string }{l.name, failure.Printable(strings.Join(l.values, ", "))})
		}
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%-13s %s\n", l.name, l.value); err != nil {
			return err
		}
	}
	return nil
}

// timeText is a time in microseconds since 1970 UTC as RFC 3339 has it.
func timeText(us int64) string { return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.000000Z") }

// printRows checks the file, decrypts it and prints what it holds.
func printRows(cmd *cobra.Command, g *global, o *inspectOptions, file *os.File, size int64, h *batch.Header) error {
	ctx := cmd.Context()
	n, err := g.open(cmd, node.Read)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.LoadKeys(); err != nil {
		return err
	}
	if h.Receiver != n.Node {
		return failure.Coded(failure.Trust, "it is for the node %s, and this is %s: only the receiver can open it", failure.Printable(h.Receiver), n.Node)
	}
	verify, err := senderCheck(ctx, n, o.card, h.Sender)
	if err != nil {
		return err
	}
	r, err := batch.Open(file, size, func(again *batch.Header, message, signature []byte) error {
		if again.Sender != h.Sender {
			return fmt.Errorf("%w: it is from %s", exchange.ErrUntrusted, failure.Printable(again.Sender))
		}
		return verify(message, signature)
	}, n.Keys.Decrypt)
	if err != nil {
		return err
	}
	own, err := exchange.OwnKeys(n.Home)
	if err != nil {
		return err
	}
	return printItems(ctx, cmd.OutOrStdout(), r, own)
}

// senderCheck returns what a file's signature is checked with: the card in a file, or those of the peer that count.
func senderCheck(ctx context.Context, n *node.Node, file, sender string) (func(message, signature []byte) error, error) {
	if file != "" {
		card, err := readCard(file)
		if err == nil && card.Name != sender {
			err = fmt.Errorf("%w: it is from %s", exchange.ErrUntrusted, failure.Printable(sender))
		}
		return card.VerifySignature, err
	}
	if err := n.Connect(ctx); err != nil {
		return nil, err
	}
	p, err := journal.PeerByName(ctx, n.DB, sender, false)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, failure.Hinted(fmt.Errorf("%w: it is from %s, which is no peer of this node", exchange.ErrUntrusted, failure.Printable(sender)), "--card FILE names the sender's card")
	}
	c, err := cards.Read(n.Home, p.Name, p.Card)
	return func(message, signature []byte) error {
		_, err := c.Verify(message, signature)
		return err
	}, err
}

// printItems prints the items of a batch, one JSON object for each row. own is the keys here of what the sender calls otherwise.
func printItems(ctx context.Context, w io.Writer, r *batch.Reader, own map[string]map[string]string) error {
	p := &itemPrinter{w: w, tables: map[uint32]batch.Table{}, own: own}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = p.print(item)
		}
		if err != nil {
			return err
		}
	}
}
