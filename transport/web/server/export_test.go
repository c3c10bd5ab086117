package server

import (
	"github.com/omsync/omsync/transport/web/upload"
)

// Uploads returns the store of uploads.
func (s *Server) Uploads() *upload.Store { return s.uploads }
