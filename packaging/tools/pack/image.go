package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is the number of the one account of an image, who owns the home folder.
const user = 65532

// writeImage writes images for some architectures, with one index, as a tar file that podman and docker load.
func writeImage(w io.Writer, version string, programs []string, at time.Time) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range programs {
		arch, path, ok := strings.Cut(p, "=")
		if !ok {
			return fmt.Errorf("%q: write it as ARCH=PROGRAM", p)
		}
		platform := v1.Platform{OS: "linux", Architecture: arch}
		if arch == "arm" {
			platform.Variant = "v7"
		}
		image, err := image(path, version, platform, at)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
	}
	dir, err := os.MkdirTemp("", "omsync-image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	where, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := where.AppendIndex(index, layout.WithAnnotations(map[string]string{ // the second is what podman and docker call the image
		"org.opencontainers.image.ref.name": tag(version), "io.containerd.image.name": "localhost/omsync:" + tag(version)})); err != nil {
		return err
	}
	files, err := list(dir)
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	for _, f := range files {
		if f.mode.IsDir() {
			if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: f.name + "/", Mode: 0o755, ModTime: at}); err != nil {
				return err
			}
			continue
		}
		if err := addTo(t, &tar.Header{Name: f.name, Mode: 0o644, ModTime: at}, f.path); err != nil {
			return err
		}
	}
	return t.Close()
}

// tag is a version as the name of an image may have it.
func tag(version string) string {
	return strings.ReplaceAll(strings.TrimPrefix(version, "v"), "+", "-")
}

// image returns the image of one program.
func image(program, version string, platform v1.Platform, at time.Time) (v1.Image, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	layers, err := layers(content, at)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.AppendLayers(image, layers...); err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, &v1.ConfigFile{
		OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant, Created: v1.Time{Time: at}, RootFS: rootFS(image),
		History: []v1.History{{Created: v1.Time{Time: at}, CreatedBy: "packaging/build"}, {Created: v1.Time{Time: at}, CreatedBy: "packaging/build"}},
		Config: v1.Config{
			User: fmt.Sprintf("%d:%d", user, user), Env: []string{"PATH=/usr/bin", "OMSYNC_HOME=/var/lib/omsync"}, WorkingDir: "/var/lib/omsync",
			Entrypoint: []string{"/usr/bin/omsync"}, Cmd: []string{"--help"}, Volumes: map[string]struct{}{"/var/lib/omsync": {}},
			ExposedPorts: map[string]struct{}{"8443/tcp": {}, "8480/tcp": {}}, StopSignal: "SIGTERM",
			Labels: map[string]string{"org.opencontainers.image.title": "omsync", "org.opencontainers.image.version": version,
				"org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.source": "https://github.com/omsync/omsync"},
		},
	})
}

func rootFS(image v1.Image) v1.RootFS {
	c, err := image.ConfigFile()
	if err != nil {
		return v1.RootFS{}
	}
	return c.RootFS
}

// layers returns the folders and small files of an image, and its program.
func layers(program []byte, at time.Time) ([]v1.Layer, error) {
	var roots bytes.Buffer // the authorities that Mozilla trusts: of servers with a certificate that is not their own
	for root := range bundle.Roots() {
		pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
	}
	licenses, err := os.ReadFile(filepath.Join("dist", "third-party-licenses.txt"))
	if name := os.Getenv("OMSYNC_LICENSES"); name != "" {
		licenses, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, err
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return nil, err
	}
	base := &layerWriter{at: at}
	base.dir("etc", 0o755, 0)
	base.file("etc/passwd", 0o644, fmt.Appendf(nil, "root:x:0:0:root:/:/sbin/nologin\nomsync:x:%d:%d:omsync:/var/lib/omsync:/sbin/nologin\n", user, user))
	base.file("etc/group", 0o644, fmt.Appendf(nil, "root:x:0:\nomsync:x:%d:\n", user))
	base.dir("etc/ssl", 0o755, 0)
	base.dir("etc/ssl/certs", 0o755, 0)
	base.file("etc/ssl/certs/ca-certificates.crt", 0o644, roots.Bytes())
	base.dir("tmp", 0o1777, 0)
	base.dir("usr", 0o755, 0)
	base.dir("usr/bin", 0o755, 0)
	base.dir("usr/share", 0o755, 0)
	base.dir("usr/share/doc", 0o755, 0)
	base.dir("usr/share/doc/omsync", 0o755, 0)
	base.file("usr/share/doc/omsync/LICENSE", 0o644, license)
	base.file("usr/share/doc/omsync/third-party-licenses.txt", 0o644, licenses)
	base.dir("var", 0o755, 0)
	base.dir("var/lib", 0o755, 0)
	base.dir("var/lib/omsync", 0o700, user)
	top := &layerWriter{at: at}
	top.file("usr/bin/omsync", 0o755, program)
	var out []v1.Layer
	for _, l := range []*layerWriter{base, top} {
		layer, err := l.layer()
		if err != nil {
			return nil, err
		}
		out = append(out, layer)
	}
	return out, nil
}

// layerWriter makes a layer. The first error is that of layer.
type layerWriter struct {
	b   bytes.Buffer
	t   *tar.Writer
	at  time.Time
	err error
}

func (l *layerWriter) write(h *tar.Header, content []byte) {
	if l.t == nil {
		l.t = tar.NewWriter(&l.b)
	}
	h.ModTime = l.at
	switch {
	case l.err != nil:
	case h.Typeflag == tar.TypeDir:
		l.err = l.t.WriteHeader(h)
	default:
		l.err = add(l.t, h, content)
	}
}

func (l *layerWriter) dir(name string, mode int64, owner int) {
	l.write(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, Uid: owner, Gid: owner}, nil)
}

func (l *layerWriter) file(name string, mode int64, content []byte) {
	l.write(&tar.Header{Name: name, Mode: mode}, content)
}

func (l *layerWriter) layer() (v1.Layer, error) {
	if l.err == nil {
		l.err = l.t.Close()
	}
	if l.err != nil {
		return nil, l.err
	}
	content := l.b.Bytes()
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(9))
}
