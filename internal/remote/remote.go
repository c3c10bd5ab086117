// Package remote tells which computer a request over HTTP comes from.
package remote

import (
	"net"
	"net/http"
	"strings"
)

// Address returns the address a request comes from, without the port. A proxy on the same computer is believed about it.
func Address(r *http.Request) string {
	host := Peer(r)
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return host
	}
	list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if ip := net.ParseIP(strings.TrimSpace(list[len(list)-1])); ip != nil {
		return ip.String()
	}
	return host
}

// Peer returns the address of the other end of the connection, without the port.
func Peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
