// Package monitoring holds what is shipped for Prometheus and Grafana, the alerts, the dashboard and what has the metrics
// scraped, against the metrics that the manager and node-proxy really serve, with Prometheus's own packages.
//
// It is a module of its own: nothing of Prometheus reaches the product, nor decides the versions of what the product uses.
package monitoring
