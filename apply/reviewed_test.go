package apply_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
)

// anySignature imports a file whoever signed it.
func anySignature(s *sites.Site, f *sites.File) (*apply.Report, error) {
	return s.ImportErr(f, func(o *apply.Options) { o.Verify = func(*batch.Header, []byte, []byte) error { return nil } })
}

// TestSwappedRowsReferToNewOnes swaps unique values between rows that get references to rows which come later.
func TestSwappedRowsReferToNewOnes(t *testing.T) {
	ddl := "CREATE TABLE loc (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(10) NOT NULL UNIQUE, next_id INT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (next_id) REFERENCES loc (id))"
	ddl2 := "CREATE TABLE other (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(10) NOT NULL UNIQUE, loc_id INT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (loc_id) REFERENCES loc (id))"
	hub, k := sites.New(t, "hub", "none", ddl, ddl2), sites.New(t, "k", "none", ddl, ddl2)
	hub.Exec("INSERT INTO loc (code, uuid) VALUES ('a', 'l-a'), ('b', 'l-b')")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	// swap the codes, and point each to a new row
	hub.Exec("UPDATE loc SET code = 'x' WHERE uuid = 'l-a'", "UPDATE loc SET code = 'a' WHERE uuid = 'l-b'", "UPDATE loc SET code = 'b' WHERE uuid = 'l-a'",
		"INSERT INTO loc (code, uuid) VALUES ('new1', 'l-n1')", "INSERT INTO loc (code, uuid) VALUES ('new2', 'l-n2')",
		"UPDATE loc SET next_id = 4 WHERE uuid = 'l-a'", "UPDATE loc SET next_id = 3 WHERE uuid = 'l-b'")
	f := hub.Export(k)[0]
	if r, err := anySignature(k, f); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	sites.Same(t, hub, k)
}

// TestRowPutOffKeepsItsReference puts a new row off, whose unique value is still held, with a reference that runs ahead.
func TestRowPutOffKeepsItsReference(t *testing.T) {
	ddl := "CREATE TABLE loc (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(10) NOT NULL UNIQUE, next_id INT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (next_id) REFERENCES loc (id))"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Exec("INSERT INTO loc (code, uuid) VALUES ('a', 'l-a'), ('b', 'l-b')")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	hub.Exec(
		"INSERT INTO loc (id, code, uuid) VALUES (3, 'c', 'l-3'), (5, 'e', 'l-5'), (6, 'f', 'l-6'), (7,'g','l-7'), (8,'h','l-8')",
		"UPDATE loc SET next_id = 6 WHERE id = 5", // pending first
		"UPDATE loc SET next_id = 8 WHERE id = 3",
		"UPDATE loc SET code = 'zz' WHERE uuid = 'l-b'", "UPDATE loc SET code = 'b' WHERE uuid = 'l-3'")
	f := hub.Export(k)[0]
	if r, err := anySignature(k, f); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	sites.Same(t, hub, k)
}

// TestNameIsNeverSQL refers to a row by a name that would be SQL.
func TestNameIsNeverSQL(t *testing.T) {
	ddl := []string{"CREATE TABLE a (code VARBINARY(200) PRIMARY KEY, name VARCHAR(20) NULL)",
		"CREATE TABLE b (id INT AUTO_INCREMENT PRIMARY KEY, a_code VARBINARY(200) NULL, note VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (a_code) REFERENCES a (code))",
		"CREATE TABLE secret (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20), uuid CHAR(36) NOT NULL UNIQUE)"}
	hub, k := sites.New(t, "hub", "none", ddl...), sites.New(t, "k", "none", ddl...)
	k.Exec("INSERT INTO secret (v, uuid) VALUES ('s3cr3t', 's-1')")
	hub.Exec("INSERT INTO a VALUES ('k1', 'x')")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	hub.Exec("INSERT INTO a VALUES ('k2', 'x')")
	f := hub.Export(k)[0]
	payload := "(SELECT CONCAT(v, ' leaked') FROM secret LIMIT 1)"
	if _, err := anySignature(k, forge(t, f, func(w *batch.Writer) error {
		at, err := w.Table(batch.Table{Name: "a", Root: "a", Key: []batch.Column{{Name: "code"}}, Columns: []batch.Column{{Name: "name", Slot: 1}}})
		if err != nil {
			return err
		}
		first, err := w.Keys(at, []batch.Values{{Bytes: [][]byte{[]byte(payload)}}})
		if err != nil {
			return err
		}
		bt, err := w.Table(batch.Table{Name: "b", Root: "b", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "a_code", Ref: true, Slot: 1}}})
		if err != nil {
			return err
		}
		bk, err := w.Keys(bt, []batch.Values{{Bytes: [][]byte{[]byte("b-1")}}})
		if err != nil {
			return err
		}
		if err := w.Rows(&batch.Rows{Table: bt, Keys: []uint32{bk}, Columns: []batch.Values{{Refs: []uint32{first}}}, Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1000}}); err != nil {
			return err
		}
		return w.Rows(&batch.Rows{Table: at, Keys: []uint32{first}, Columns: []batch.Values{{Bytes: [][]byte{[]byte("x")}}}, Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1000}})
	})); err != nil {
		t.Fatal(err)
	}
	if got := k.One("SELECT a_code FROM b"); got != payload {
		t.Errorf("%q", got)
	}
}

// TestEndOfTime deletes at the last time that a stamp can have what others refer to.
func TestEndOfTime(t *testing.T) {
	hub, clinic, _ := wardPair(t)
	clinic.Exec("UPDATE ward SET size = 5 WHERE uuid = 'w-1'")
	f := clinic.Export(hub)[0]
	if _, err := anySignature(hub, forge(t, f, func(w *batch.Writer) error {
		m, err := w.Table(batch.Table{Name: "ward", Root: "ward", Key: []batch.Column{{Name: "uuid"}}})
		if err != nil {
			return err
		}
		first, err := w.Keys(m, []batch.Values{{Bytes: [][]byte{[]byte("w-2")}}})
		if err != nil {
			return err
		}
		return w.Deletions(&batch.Deletions{Table: m, Keys: []uint32{first}, Times: []int64{batch.MaxTime}, Authors: []string{"clinic"}, Epochs: []uint64{1000}})
	})); err != nil {
		t.Fatal(err)
	}
	hub.Exec("INSERT INTO bed (ward_id, uuid) VALUES (2, 'b-9')")
	_, err := hub.ExportErr(clinic)
	if err != nil {
		t.Error(err)
	}
}

// TestServerTouchesNoTimestamp patches a reference in a table with a column that the server updates by itself.
func TestServerTouchesNoTimestamp(t *testing.T) {
	ddl := "CREATE TABLE loc (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(10) NOT NULL, next_id INT NULL, ts TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (next_id) REFERENCES loc (id))"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Exec("INSERT INTO loc (code, uuid, ts) VALUES ('a', 'l-a', '2020-01-01 00:00:00'), ('b', 'l-b', '2020-01-01 00:00:00')", "UPDATE loc SET next_id = 2, ts = '2020-01-02 00:00:00' WHERE id = 1")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.ExchangeTwice(hub, k)
	sites.Same(t, hub, k)
}

// TestDeletionsComeFirst sends a deletion after rows, and a row that refers to what it deleted.
func TestDeletionsComeFirst(t *testing.T) {
	_, clinic, f := wardPair(t)
	_, err := anySignature(clinic, forge(t, f, func(w *batch.Writer) error {
		ward, err := w.Table(batch.Table{Name: "ward", Root: "ward", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "name", Slot: 1}}})
		if err != nil {
			return err
		}
		bed, err := w.Table(batch.Table{Name: "bed", Root: "bed", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "ward_id", Slot: 1, Ref: true}}})
		if err != nil {
			return err
		}
		wk, _ := w.Keys(ward, []batch.Values{{Bytes: [][]byte{[]byte("w-2")}}})
		bk, _ := w.Keys(bed, []batch.Values{{Bytes: [][]byte{[]byte("b-7")}}})
		if err := w.Rows(&batch.Rows{Table: ward, Keys: []uint32{wk}, Columns: []batch.Values{{Bytes: [][]byte{[]byte("x")}}}, Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1000}}); err != nil {
			return err
		}
		if err := w.Deletions(&batch.Deletions{Table: ward, Keys: []uint32{wk}, Times: []int64{batch.MaxTime}, Authors: []string{"hub"}, Epochs: []uint64{1000}}); err != nil {
			return err
		}
		return w.Rows(&batch.Rows{Table: bed, Keys: []uint32{bk}, Columns: []batch.Values{{Refs: []uint32{wk}}}, Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1000}})
	}))
	if !errors.Is(err, batch.ErrCorrupt) {
		t.Errorf("%v", err)
	}
}

// TestSwappedNumbers swaps unique numbers that cannot be negative.
func TestSwappedNumbers(t *testing.T) {
	ddl := "CREATE TABLE loc (id INT AUTO_INCREMENT PRIMARY KEY, rank_no INT UNSIGNED NOT NULL UNIQUE, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Exec("INSERT INTO loc (rank_no, uuid) VALUES (1, 'l-a'), (2, 'l-b')")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	hub.Exec("UPDATE loc SET rank_no = 9 WHERE uuid = 'l-a'", "UPDATE loc SET rank_no = 1 WHERE uuid = 'l-b'", "UPDATE loc SET rank_no = 2 WHERE uuid = 'l-a'")
	if r, err := anySignature(k, hub.Export(k)[0]); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	sites.Same(t, hub, k)
}

// TestErrorsHoldNoValues collides on a unique value and reads the error.
func TestErrorsHoldNoValues(t *testing.T) {
	ddl := "CREATE TABLE pid (id INT AUTO_INCREMENT PRIMARY KEY, identifier VARCHAR(50) NOT NULL UNIQUE, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	k.Exec("INSERT INTO pid (identifier, uuid) VALUES ('Wanjiru 10001V-3', 'p-k')")
	hub.Exec("INSERT INTO pid (identifier, uuid) VALUES ('Wanjiru 10001V-3', 'p-h')")
	_, err := anySignature(k, hub.Export(k)[0])
	if err == nil || strings.Contains(err.Error(), "Wanjiru") || !strings.Contains(err.Error(), "identifier") || !strings.Contains(err.Error(), "p-h") {
		t.Errorf("%v", err)
	}
}

// TestRowsWithoutAKeyStayAlone exports a table in which nothing identifies the rows.
func TestRowsWithoutAKeyStayAlone(t *testing.T) {
	ddl := "CREATE TABLE cond (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50) NULL, uuid CHAR(36) NULL UNIQUE)"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	k.Exec("INSERT INTO cond (v, uuid) VALUES ('only here', NULL)")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	if n := hub.One("SELECT COUNT(*) FROM cond"); n != "0" {
		t.Errorf("%s rows", n)
	}
}

// TestLongValues sends values, and conflicts about them, of more than half the longest packet.
func TestLongValues(t *testing.T) {
	if !dbtest.Server(t).AtLeast(5, 7) {
		t.Skip("MySQL 5.6 takes no values of more than a tenth of its redo log: 9.6 MB unless set otherwise")
	}
	ddl := "CREATE TABLE doc (id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB NULL, c LONGTEXT NULL, n INT NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	hub.Exec("INSERT INTO doc (c, uuid) VALUES (REPEAT('x', @@max_allowed_packet * 0.6), 'd-1')")
	if r, err := anySignature(k, hub.Export(k)[0]); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	k.Send(hub)
	k.Exec("UPDATE doc SET c = REPEAT('k', @@max_allowed_packet * 0.6)")
	hub.Exec("UPDATE doc SET c = REPEAT('h', @@max_allowed_packet * 0.6)")
	if r, err := anySignature(k, hub.Export(k)[0]); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	hub.Exec("INSERT INTO doc (b, uuid) VALUES (REPEAT('x', @@max_allowed_packet * 0.6), 'd-2')")
	f := hub.Export(k)[0]
	if r, err := anySignature(k, f); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	sites.Exchange(hub, k)
	sites.Same(t, hub, k)
}

// TestLargeTransactionBeforeTheSnapshot commits more changes than a seal takes between the last seal and the export's snapshot.
func TestLargeTransactionBeforeTheSnapshot(t *testing.T) {
	const ten = "(SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	ddl := "CREATE TABLE o (id INT AUTO_INCREMENT PRIMARY KEY, v INT NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Exec("SET @n = 0", "INSERT INTO o (v, uuid) SELECT 1, CONCAT('o-', @n := @n + 1) FROM "+ten+" a, "+ten+" b, "+ten+" c, "+ten+" d, "+ten+" e LIMIT 52000")
	hub.Init()
	k.Init()
	hub.Connect(k)
	hub.Exec("INSERT INTO o (v, uuid) VALUES (1, 'o-x')")
	now, done := hub.J.Now, false
	hub.J.Now = func() time.Time {
		if !done {
			done = true
			hub.Exec("UPDATE o SET v = 2")
		}
		return now()
	}
	f := hub.Export(k)[0]
	if r, err := anySignature(k, f); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if n := hub.One("SELECT COUNT(*) FROM omsync_capture"); n != "0" {
		t.Errorf("%s changes were not sealed", n)
	}
	if old := k.Query("SELECT o.v, IFNULL(v.time, d.default_time), COUNT(*) FROM omsync_table d JOIN o LEFT JOIN omsync_version v ON v.table_id = d.id AND v.local_id = o.id AND v.local_key = '' WHERE d.name = 'o' AND o.v = 2 AND (v.time = 0 AND v.column_mask & 2 OR v.time IS NULL AND d.default_time = 0) GROUP BY 1, 2"); len(old) > 0 {
		t.Errorf("new values under old stamps: %v", old)
	}
}
