//! Which proxy is configured.
