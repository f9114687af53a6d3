//! Settings that a route gives a filter.

use std::collections::HashMap;
use std::sync::Arc;

use weft_types::Name;

use super::http_filter;
use super::reader::{Read, Reader, expanded, holds, type_name};
use super::{header_mutation, rbac};
use crate::filter::{HttpFilterConfig, PerRoute};
use crate::pb::envoy::config::route::v3::FilterConfig;
use crate::pb::envoy::extensions::filters::http;
use crate::pb::google::protobuf::Any;
use http::buffer::v3::{BufferPerRoute, buffer_per_route::Override};
use http::header_mutation::v3::HeaderMutationPerRoute;
use http::rbac::v3::RbacPerRoute;

/// Reads `typed_per_filter_config`, in the order of filter names.
pub(crate) fn read(r: &mut Reader<'_>, protos: &HashMap<String, Any>) -> Read<Vec<(Name, PerRoute)>> {
    let mut names: Vec<&String> = protos.keys().collect();
    names.sort_unstable();
    let mut settings = Vec::with_capacity(names.len());
    let mut refused = None;
    for name in names {
        let Some(any) = protos.get(name) else { continue };
        match r.key("typed_per_filter_config", name, |r| setting(r, any)) {
            Ok(Some(setting)) => settings.push((name.as_str().into(), setting)),
            Ok(None) => {}
            Err(refusal) => refused = Some(refusal),
        }
    }
    refused.map_or(Ok(settings), Err)
}

/// Reads one setting; `None`: one that is passed over.
fn setting(r: &mut Reader<'_>, any: &Any) -> Read<Option<PerRoute>> {
    if !holds::<FilterConfig>(any) {
        return typed(r, any, false);
    }
    r.unpack(any, |r, FilterConfig { config, is_optional, disabled }| {
        if *disabled {
            return Ok(Some(PerRoute::Disabled));
        }
        match config {
            None => Err(r.refuse("config is required unless disabled is set")),
            Some(any) if any.type_url.is_empty() => Ok(Some(PerRoute::Enabled)),
            Some(any) => r.within("config", |r| typed(r, any, *is_optional)),
        }
    })
}

fn typed(r: &mut Reader<'_>, any: &Any, optional: bool) -> Read<Option<PerRoute>> {
    let any = &*expanded(r, any)?;
    if holds::<HeaderMutationPerRoute>(any) {
        return r.unpack(any, |r, HeaderMutationPerRoute { mutations }| {
            header_mutation::read(r, mutations.as_ref(), false).map(|config| Some(PerRoute::Config(config)))
        });
    }
    if holds::<RbacPerRoute>(any) {
        return r.unpack(any, |r, RbacPerRoute { rbac }| {
            let rbac = r.maybe("rbac", rbac.as_ref(), rbac::http)?;
            // Without rules of its own the route is free of those of the chain.
            Ok(Some(
                rbac.map_or(PerRoute::Disabled, |rbac| {
                    PerRoute::Config(HttpFilterConfig::Rbac(Arc::new(rbac)))
                }),
            ))
        });
    }
    if holds::<BufferPerRoute>(any) {
        return r.unpack(any, |r, BufferPerRoute { r#override }| match r#override {
            Some(Override::Disabled(true)) => Ok(Some(PerRoute::Disabled)),
            Some(Override::Buffer(buffer)) => {
                let config = r.within("buffer", |r| http_filter::buffer(r, buffer))?;
                Ok(Some(PerRoute::Config(config)))
            }
            Some(Override::Disabled(false)) | None => Err(r.refuse("disabled or buffer is required")),
        });
    }
    match http_filter::config(r, any)? {
        Some(config) => Ok(Some(PerRoute::Config(config))),
        None if optional => {
            r.ignore(format!("settings of type {:?} are not implemented, and optional", type_name(any)));
            Ok(None)
        }
        None => Err(r.refuse(format!("settings of type {:?} are not implemented", type_name(any)))),
    }
}
