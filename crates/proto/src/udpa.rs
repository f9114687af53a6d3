//! Messages of the `udpa` packages, the older name of `xds`.

/// `udpa.type`.
pub mod r#type {
    /// `udpa.type.v1`.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/udpa.r#type.v1.rs"));
    }
}
