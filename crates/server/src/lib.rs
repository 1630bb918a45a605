//! The HTTP face: routes, limits, error mapping, headers, metrics, graceful shutdown.
