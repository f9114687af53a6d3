//! Cross-origin resource sharing (VS-24).

use std::sync::Arc;

use smallvec::SmallVec;
use weft_tables::filter::{CorsPolicy, HttpFilterConfig};
use weft_types::{Headers, Method, Random, RequestHead, ResponseHead};

use crate::seam::{Context, Effective, Flow, HttpFilter, LocalReply};

/// `envoy.filters.http.cors`. The levels of the route bring policies, and what one does not say the
/// next less specific one says. Without a policy, or on a route that does not forward, it does nothing.
#[derive(Debug)]
pub(crate) struct CorsFilter {
    /// Most specific first.
    policies: SmallVec<[Arc<CorsPolicy>; 2]>,
    /// The origin, once it is allowed.
    origin: Option<Vec<u8>>,
}

impl CorsFilter {
    pub(crate) fn new(effective: &Effective<'_>) -> Self {
        let policies = effective.levels.iter().filter_map(|config| match config {
            HttpFilterConfig::Cors(policy) => Some(policy.clone()),
            _ => None,
        });
        Self { policies: policies.collect(), origin: None }
    }

    fn text(&self, of: impl Fn(&CorsPolicy) -> &str) -> &str {
        self.policies.iter().map(|p| of(p)).find(|text| !text.is_empty()).unwrap_or_default()
    }

    fn says(&self, of: impl Fn(&CorsPolicy) -> Option<bool>) -> Option<bool> {
        self.policies.iter().find_map(|p| of(p))
    }

    fn allows(&self, origin: &[u8]) -> bool {
        let origins = self.policies.iter().map(|p| &p.allow_origin).find(|list| !list.is_empty());
        origins.is_some_and(|list| list.iter().any(|m| m.matches(origin)))
    }

    fn credentials(&self, headers: &mut Headers) {
        if self.says(|p| p.allow_credentials) == Some(true) {
            headers.set("access-control-allow-credentials", "true");
        }
    }

    /// The answer to a preflight; `origin` if it is allowed.
    fn preflight(&self, head: &RequestHead, origin: Option<&[u8]>) -> Flow {
        let mut reply = LocalReply::new(200, "", "cors_response");
        if let Some(origin) = origin {
            reply.headers.set("access-control-allow-origin", origin);
        }
        self.credentials(&mut reply.headers);
        for (name, value) in [
            ("access-control-allow-methods", self.text(|p| &p.allow_methods)),
            ("access-control-allow-headers", self.text(|p| &p.allow_headers)),
            ("access-control-max-age", self.text(|p| &p.max_age)),
        ] {
            if !value.is_empty() {
                reply.headers.set(name, value);
            }
        }
        if origin.is_some()
            && self.says(|p| p.allow_private_network) == Some(true)
            && head.headers.get("access-control-request-private-network") == Some(b"true")
        {
            reply.headers.set("access-control-allow-private-network", "true");
        }
        Flow::Reply(Box::new(reply))
    }
}

fn is_preflight(head: &RequestHead) -> bool {
    head.method == Method::Options
        && head.headers.get("access-control-request-method").is_some_and(|method| !method.is_empty())
}

impl HttpFilter for CorsFilter {
    fn on_request(
        &mut self,
        head: &mut RequestHead,
        _: bool,
        cx: &mut Context,
        dice: &mut dyn Random,
    ) -> Flow {
        let Some(first) = self.policies.first() else { return Flow::Continue };
        if cx.cluster_name.is_none() || first.enabled.is_some_and(|share| !share.includes(dice.next_u64())) {
            return Flow::Continue;
        }
        let Some(origin) = head.headers.get("origin").filter(|o| !o.is_empty()).map(<[u8]>::to_vec) else {
            return Flow::Continue;
        };
        if !self.allows(&origin) {
            cx.count("cors.origin_invalid");
            if is_preflight(head) && self.says(|p| p.forward_unmatched_preflights) == Some(false) {
                return self.preflight(head, None);
            }
            return Flow::Continue;
        }
        cx.count("cors.origin_valid");
        let flow = if is_preflight(head) { self.preflight(head, Some(&origin)) } else { Flow::Continue };
        self.origin = Some(origin);
        flow
    }

    fn on_response(&mut self, head: &mut ResponseHead, _: bool, _: &mut Context) -> Flow {
        if let Some(origin) = &self.origin {
            head.headers.set("access-control-allow-origin", origin);
            self.credentials(&mut head.headers);
            let expose = self.text(|p| &p.expose_headers);
            if !expose.is_empty() {
                head.headers.set("access-control-expose-headers", expose);
            }
        }
        Flow::Continue
    }
}

#[cfg(test)]
mod tests;
