//! Messages of the `xds` packages: those of envoy-types, and those that it lacks.

pub use envoy_types::pb::xds::core;

/// `xds.type`.
pub mod r#type {
    /// `xds.type.matcher`.
    pub mod matcher {
        /// `xds.type.matcher.v3`.
        pub mod v3 {
            pub use envoy_types::pb::xds::r#type::matcher::v3::*;

            include!(concat!(env!("OUT_DIR"), "/xds.r#type.matcher.v3.rs"));
        }
    }

    /// `xds.type.v3`.
    pub mod v3 {
        pub use envoy_types::pb::xds::r#type::v3::*;

        include!(concat!(env!("OUT_DIR"), "/xds.r#type.v3.rs"));
    }
}
