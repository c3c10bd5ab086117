package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "omsync %s, batch format %d, journal format %d, %s %s/%s\n",
				version(), batch.Version, journal.Format, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

// version is what the Go toolchain knows of the source that this was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown version)"
	}
	return info.Main.Version
}
