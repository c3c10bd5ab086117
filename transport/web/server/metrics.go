package server

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts for Prometheus. nil counts nothing.
type metrics struct {
	requests *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	uploads  *prometheus.CounterVec
	flying   prometheus.Gauge
}

func newMetrics(reg *prometheus.Registry) (*metrics, error) {
	if reg == nil {
		return nil, nil
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		o := prometheus.CounterOpts{Namespace: "omsync", Subsystem: "http", Name: name, Help: help}
		return prometheus.NewCounterVec(o, labels)
	}
	m := &metrics{
		requests: counter("requests_total", "Requests that were answered.", "route", "method", "class"),
		bytes:    counter("bytes_total", "Bytes of bodies, in from nodes and out to them.", "direction"),
		uploads:  counter("uploads_total", "Uploads that ended, finished or refused.", "node", "outcome"),
		flying: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "omsync", Subsystem: "http", Name: "requests_in_flight",
			Help: "Requests that are being answered."}),
	}
	var err error
	if m.requests, err = register(reg, m.requests); err == nil {
		if m.bytes, err = register(reg, m.bytes); err == nil {
			if m.uploads, err = register(reg, m.uploads); err == nil {
				m.flying, err = register(reg, m.flying)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("web server: metrics: %w", err)
	}
	return m, nil
}

// register takes a collector that is there already: a server that was made again counts on.
func register[C prometheus.Collector](reg *prometheus.Registry, c C) (C, error) {
	err := reg.Register(c)
	if e := (prometheus.AlreadyRegisteredError{}); errors.As(err, &e) {
		if old, ok := e.ExistingCollector.(C); ok {
			return old, nil
		}
	}
	return c, err
}

func (m *metrics) begin() {
	if m != nil {
		m.flying.Inc()
	}
}

func (m *metrics) end(c *call) {
	if m == nil {
		return
	}
	m.flying.Dec()
	method := c.r.Method
	if !slices.Contains([]string{"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"}, method) {
		method = "other"
	}
	m.requests.WithLabelValues(c.route, method, strconv.Itoa(c.status/100)+"xx").Inc()
	m.bytes.WithLabelValues("in").Add(float64(c.in))
	m.bytes.WithLabelValues("out").Add(float64(c.out))
}

func (m *metrics) upload(node, outcome string) {
	if m != nil {
		m.uploads.WithLabelValues(node, outcome).Inc()
	}
}
