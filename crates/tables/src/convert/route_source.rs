//! Where routes come from, and other resources that are served.

use std::sync::Arc;

use super::reader::{FETCH_TIMEOUT, Read, Reader};
use super::route_config;
use super::unset::ignore_set;
use crate::hcm::RouteSource;
use crate::pb::envoy::config::core::v3::{ApiVersion, ConfigSource, config_source::ConfigSourceSpecifier};
use crate::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    Rds, http_connection_manager::RouteSpecifier,
};

/// Reads where routes come from.
pub(crate) fn read(r: &mut Reader<'_>, proto: Option<&RouteSpecifier>) -> Read<RouteSource> {
    match proto {
        Some(RouteSpecifier::RouteConfig(config)) => r.within("route_config", |r| {
            Ok(RouteSource::Inline(Arc::new(route_config::read(r, config, true)?)))
        }),
        Some(RouteSpecifier::Rds(Rds { config_source, route_config_name })) => r.within("rds", |r| {
            r.need("config_source", config_source.as_ref(), served)?;
            Ok(RouteSource::Named(r.text("route_config_name", route_config_name)?.into()))
        }),
        Some(RouteSpecifier::ScopedRoutes(_)) => Err(r.refuse_at("scoped_routes", "not implemented")),
        None => Err(r.refuse("a connection manager needs routes: route_config or rds")),
    }
}

/// Reads a source of resources: an xDS server, in whatever way it is named.
pub(crate) fn served(r: &mut Reader<'_>, proto: &ConfigSource) -> Read<()> {
    let ConfigSource { authorities, initial_fetch_timeout, resource_api_version, config_source_specifier } =
        proto;
    ignore_set!(r, "all resources come over one stream", authorities);
    let wait = r.limit("initial_fetch_timeout", initial_fetch_timeout.as_ref(), Some(FETCH_TIMEOUT))?;
    r.note_source(wait);
    version(r, "resource_api_version", *resource_api_version)?;
    match config_source_specifier {
        Some(
            ConfigSourceSpecifier::Ads(_)
            | ConfigSourceSpecifier::Self_(_)
            | ConfigSourceSpecifier::ApiConfigSource(_),
        ) => Ok(()),
        Some(ConfigSourceSpecifier::Path(_)) => Err(r.refuse_at("path", "resources are not read from files")),
        Some(ConfigSourceSpecifier::PathConfigSource(_)) => {
            Err(r.refuse_at("path_config_source", "resources are not read from files"))
        }
        None => Err(r.refuse("a config source needs a specifier")),
    }
}

/// Reads a version of the API; there is only one.
pub(crate) fn version(r: &mut Reader<'_>, field: &'static str, number: i32) -> Read<()> {
    match r.choice(field, number)? {
        ApiVersion::V3 | ApiVersion::Auto => Ok(()),
        ApiVersion::V2 => Err(r.refuse_at(field, "there is only V3")),
    }
}
