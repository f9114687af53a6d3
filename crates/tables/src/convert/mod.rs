//! Protos become tables here. Each resource has a file; each proto struct is taken apart without
//! `..`, so that a field that a new protocol version brings breaks the build instead of being
//! ignored.
//!
//! ```text
//! proto ─► Reader (path, findings) ─► read functions ─► table type
//!                    │
//!                    └─► Vec<Finding>
//! ```
// Deprecated fields are read as long as Envoy reads them.
#![allow(deprecated)]

mod access_log;
mod address;
mod balancing;
mod bootstrap;
mod breakers;
mod chain;
mod chain_match;
mod cluster;
mod codec_options;
mod cors;
mod discovery;
mod discovery_server;
mod divided;
mod domains;
mod endpoints;
mod entry;
mod fault;
mod filter_state;
mod hash_policy;
mod hbone;
mod hcm;
mod header_mutation;
mod headers;
mod health_check;
mod http_filter;
mod istio;
mod lb_extension;
mod lb_policy;
mod listener;
mod listener_filter;
mod local_ratelimit;
mod local_reply;
mod log_filter;
mod matcher;
mod metadata;
mod mirror;
mod network_filter;
mod outlier;
mod path_template;
mod per_route;
mod rbac;
mod reader;
mod redirect;
mod retry;
mod route;
mod route_action;
mod route_config;
mod route_match;
mod route_source;
mod router;
mod secret;
mod share;
mod source;
mod subsets;
mod target;
mod tcp_proxy;
mod template;
mod tls;
mod tls_parameters;
mod transport;
mod unset;
mod upstream_http;
mod virtual_host;

pub use bootstrap::{bootstrap, bootstrap_bytes};
pub use entry::{Context, Conversion, KnownNames, cluster, endpoints, listener, route_config, secret};
pub use source::{DataSource, NoData};
pub use template::{MAX_TEMPLATE_BYTES, TemplateError};
