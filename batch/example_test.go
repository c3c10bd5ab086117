package batch_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/keys"
)

// A batch from the node hub to the node kisumu with one row, written and read.
func Example() {
	dir, err := os.MkdirTemp("", "batch")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	hub, err := keys.Create(dir, "hub", keys.X25519)
	if err != nil {
		log.Fatal(err)
	}
	kisumu, err := keys.Create(dir, "kisumu", keys.X25519)
	if err != nil {
		log.Fatal(err)
	}

	var file bytes.Buffer
	if err := writeWard(&file, hub, kisumu.Card()); err != nil {
		log.Fatal(err)
	}

	// The header is there for everybody, the rest for the receiver.
	h, err := batch.ReadHeader(bytes.NewReader(file.Bytes()))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("from %s to %s, epochs %d to %d\n", h.Sender, h.Receiver, h.Base.Epoch, h.Upto.Epoch)
	if err := printRows(file.Bytes(), hub.Card(), kisumu); err != nil {
		log.Fatal(err)
	}
	// Output:
	// from hub to kisumu, epochs 0 to 1
	// table ward with columns [uuid name]
	// row: uuid 5f0c, name Maternity
	// by hub
}

func writeWard(file io.Writer, sender *keys.Identity, receiver keys.Card) error {
	h := &batch.Header{Sender: "hub", Receiver: receiver.Name, History: 42, Link: 1, Upto: batch.Position{Epoch: 1, Token: 7}, Last: true, Time: 1760000000000000}
	w, err := batch.NewWriter(file, h, receiver.Encrypt, sender.Sign)
	if err != nil {
		return err
	}
	uuid := batch.Column{Name: "uuid", Kind: batch.KindText, Slot: 1}
	table, err := w.Table(batch.Table{Name: "ward", Root: "ward", Key: []batch.Column{uuid},
		Columns: []batch.Column{uuid, {Name: "name", Kind: batch.KindText, Slot: 2}}})
	if err != nil {
		return err
	}
	first, err := w.Keys(table, []batch.Values{{Bytes: [][]byte{[]byte("5f0c")}}})
	if err != nil {
		return err
	}
	err = w.Rows(&batch.Rows{Table: table, Keys: []uint32{first},
		Columns: []batch.Values{{Bytes: [][]byte{[]byte("5f0c")}}, {Bytes: [][]byte{[]byte("Maternity")}}},
		Masks:   []uint64{0b111}, Times: []int64{1760000000000000}, Authors: []string{"hub"}, Epochs: []uint64{1}})
	if err != nil {
		return err
	}
	return w.Close()
}

func printRows(file []byte, sender keys.Card, receiver *keys.Identity) error {
	verify := func(_ *batch.Header, msg, sig []byte) error { return sender.VerifySignature(msg, sig) }
	r, err := batch.Open(bytes.NewReader(file), int64(len(file)), verify, receiver.Decrypt)
	if err != nil {
		return err
	}
	defer r.Close()
	var columns []batch.Column
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		switch item := item.(type) {
		case *batch.TableItem:
			columns = item.Table.Columns
			fmt.Printf("table %s with columns [%s %s]\n", item.Table.Name, columns[0].Name, columns[1].Name)
		case *batch.Rows:
			fmt.Printf("row: %s %s, %s %s\n", columns[0].Name, item.Columns[0].Bytes[0], columns[1].Name, item.Columns[1].Bytes[0])
			fmt.Println("by", item.Authors[0])
		}
	}
}

func ExampleParseFileName() {
	h := &batch.Header{Sender: "hub", Receiver: "kisumu", Base: batch.Position{Epoch: 10}, Upto: batch.Position{Epoch: 25}}
	name := batch.NewFileName(h, 0x58a859).String()
	fmt.Println(name)

	n, err := batch.ParseFileName(name)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n.Between("hub", "kisumu"), n.Base, n.Upto)
	// Output:
	// hub-to-kisumu-0000000010-0000000025-58a859.omsync
	// true 10 25
}
