package main

import (
	"archive/tar"
	"archive/zip"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"time"
)

// writeTar writes a tar file, packed by gzip.
func writeTar(w io.Writer, folder, name string, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	files, err := list(folder)
	if err != nil {
		return err
	}
	for _, f := range files {
		h := &tar.Header{Name: name + "/" + f.name, Mode: int64(f.permissions()), ModTime: at, Uname: "root", Gname: "root", Format: tar.FormatPAX}
		if f.mode.IsDir() {
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
			if err := t.WriteHeader(h); err != nil {
				return err
			}
			continue
		}
		if err := addTo(t, h, f.path); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

// addTo adds a file to a tar file.
func addTo(t *tar.Writer, h *tar.Header, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return add(t, h, content)
}

func add(t *tar.Writer, h *tar.Header, content []byte) error {
	h.Typeflag, h.Size = tar.TypeReg, int64(len(content))
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err := t.Write(content)
	return err
}

// writeZip writes a zip file.
func writeZip(w io.Writer, folder, name string, at time.Time) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	files, err := list(folder)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.mode.IsDir() {
			continue
		}
		h := &zip.FileHeader{Name: name + "/" + f.name, Method: zip.Deflate, Modified: at}
		h.SetMode(f.permissions())
		content, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		entry, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := entry.Write(content); err != nil {
			return err
		}
	}
	return z.Close()
}
