//! Both ends of xDS streams.
#![forbid(unsafe_code)]
