//! The control plane: objects to xDS, and the certificate authority.
#![forbid(unsafe_code)]
