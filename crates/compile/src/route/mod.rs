//! Routes, of sidecars and gateways.
