//! What stands beside a proxy: the workload's identity, its secrets, and a bootstrap for Envoy.
#![forbid(unsafe_code)]
