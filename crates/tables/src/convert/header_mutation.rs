//! The filter that changes headers.

use std::sync::Arc;

use super::headers;
use super::reader::{Read, Reader};
use super::unset::refuse_set;
use crate::filter::{HeaderMutations, HttpFilterConfig, MutationStep};
use crate::pb::envoy::config::common::mutation_rules::v3::{HeaderMutation, header_mutation::Action};
use crate::pb::envoy::extensions::filters::http::header_mutation::v3::Mutations;

/// Reads the filter's mutations.
pub(crate) fn read(
    r: &mut Reader<'_>,
    proto: Option<&Mutations>,
    most_specific_wins: bool,
) -> Read<HttpFilterConfig> {
    let mutations = r.maybe("mutations", proto, |r, mutations| {
        let Mutations {
            request_mutations,
            query_parameter_mutations,
            response_mutations,
            response_trailers_mutations,
            request_trailers_mutations,
        } = mutations;
        refuse_set!(
            r,
            "not implemented",
            query_parameter_mutations,
            response_trailers_mutations,
            request_trailers_mutations,
        );
        Ok(HeaderMutations {
            request: r.each("request_mutations", request_mutations, step)?,
            response: r.each("response_mutations", response_mutations, step)?,
            most_specific_wins,
        })
    })?;
    let none = HeaderMutations { most_specific_wins, ..HeaderMutations::default() };
    Ok(HttpFilterConfig::HeaderMutation(Arc::new(mutations.unwrap_or(none))))
}

fn step(r: &mut Reader<'_>, proto: &HeaderMutation) -> Read<MutationStep> {
    let HeaderMutation { action } = proto;
    match action {
        Some(Action::Remove(name)) => Ok(MutationStep::Remove(headers::field_name(r, "remove", name)?)),
        Some(Action::Append(option)) => r.within("append", |r| {
            let mutation = headers::mutation(r, option)?;
            headers::check_filter_template(r, &mutation.value)?;
            Ok(MutationStep::Set(mutation))
        }),
        Some(Action::RemoveOnMatch(_)) => Err(r.refuse_at("remove_on_match", "not implemented")),
        None => Err(r.refuse("a mutation needs an action")),
    }
}
