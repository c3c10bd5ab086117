package doctor_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/doctor"
)

const oneTable = "CREATE TABLE site (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB"

// lookAt returns what one check finds.
func lookAt(t *testing.T, n *node.Node, name string) doctor.Finding {
	t.Helper()
	found, err := doctor.Examine(t.Context(), n, doctor.Options{})
	check(t, err)
	for _, f := range found {
		if f.Check == name {
			return f
		}
	}
	t.Fatalf("there is no check %s", name)
	return doctor.Finding{}
}

// writeCertificate makes a server's key and a certificate that ends then.
func writeCertificate(t *testing.T, dir string, end time.Time) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	check(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-90 * 24 * time.Hour), NotAfter: end, DNSNames: []string{"hub.example.org"}}
	cert, err := x509.CreateCertificate(nil, template, template, public, private)
	check(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "hub.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "hub.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
}

// A certificate that is missing, has ended or ends soon is found, until it is renewed in its place, as it says.
func TestCertificate(t *testing.T) {
	s := sites.New(t, "hub", "none", oneTable)
	s.Init()
	n := opened(t, s)
	n.Serve = config.Serve{TLSCert: "hub.crt", TLSKey: "hub.key"}
	const day = 24 * time.Hour
	for _, c := range []struct {
		level    doctor.Level
		says, do string
		break_   func()
	}{
		{doctor.Fail, "the certificate of the server: open ", "correct tls_cert and tls_key under [serve] in omsync.toml", func() {}},
		{doctor.Fail, "hub.crt ended on ", "renew it, in its place", func() { writeCertificate(t, n.Home, time.Now().Add(-day)) }},
		{doctor.Warn, "hub.crt ends on ", "renew it, in its place", func() { writeCertificate(t, n.Home, time.Now().Add(20*day)) }},
	} {
		c.break_()
		if f := lookAt(t, n, "links"); f.Level != c.level || !strings.Contains(f.What, c.says) || f.Do != c.do {
			t.Errorf("%+v", f)
		}
		writeCertificate(t, n.Home, time.Now().Add(80*day))
		if f := lookAt(t, n, "links"); f.Level != doctor.OK || !strings.Contains(f.What, "the certificate holds until ") {
			t.Errorf("renewed, and still: %+v", f)
		}
	}
}

// A member of a Galera cluster that has no majority takes no statements: doctor and each command say so, and no more once the member is in a cluster
// again.
func TestGalera(t *testing.T) {
	server := dbtest.Galera(t)
	s := sites.NewOn(t, server, "hub", "none", oneTable)
	s.Init()
	n := opened(t, s)
	if f := lookAt(t, n, "server settings"); strings.Contains(f.What+f.Do, "luster") || s.One("SELECT @@wsrep_on") != "1" {
		t.Fatalf("a cluster of one: %+v", f)
	}
	s.Exec("SET GLOBAL wsrep_cluster_address = 'gcomm://127.0.0.1:1'") // nobody answers there
	if f := lookAt(t, n, "server settings"); f.Level != doctor.Fail || !strings.Contains(f.What, "takes no statements (wsrep_ready is OFF)") || !strings.Contains(f.Do, "look at the cluster: it needs a majority of its members") {
		t.Errorf("%+v", f)
	}
	lost := &node.Node{Config: n.Config}
	if err := lost.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "is a member of a Galera cluster and takes no statements") {
		t.Errorf("a command says %v", err)
	}
	lost.Close()
	s.Exec("SET GLOBAL wsrep_cluster_address = 'gcomm://'")
	for range 100 {
		if len(s.Query("SHOW STATUS WHERE variable_name = 'wsrep_ready' AND value = 'ON'")) > 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if f := lookAt(t, n, "server settings"); strings.Contains(f.What+f.Do, "luster") {
		t.Errorf("in a cluster again, and still %+v", f)
	}
}
