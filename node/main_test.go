package node_test

import (
	"os"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }
