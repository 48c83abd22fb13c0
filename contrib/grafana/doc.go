// Package grafana holds alerts and a dashboard, and the tests that hold them to
// the figures that there are.
package grafana
