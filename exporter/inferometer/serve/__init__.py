"""The exporter's own small HTTP server: connections, requests, routes, TLS and users."""
