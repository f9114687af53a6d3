//! Cross-origin resource sharing (VS-24).

use std::sync::Arc;

use weft_tables::filter::CorsPolicy;
use weft_types::{Headers, Method, Random, RequestHead, ResponseHead};

use crate::seam::{Context, Flow, HttpFilter, LocalReply};

/// `envoy.filters.http.cors`.
#[derive(Debug)]
pub(crate) struct CorsFilter {
    policy: Arc<CorsPolicy>,
    /// The origin, when it is allowed.
    origin: Option<Vec<u8>>,
}

impl CorsFilter {
    pub(crate) fn new(policy: Arc<CorsPolicy>) -> Self {
        Self { policy, origin: None }
    }

    fn allow_headers(&self, headers: &mut Headers, origin: &[u8]) {
        headers.set("access-control-allow-origin", origin);
        if self.policy.allow_credentials == Some(true) {
            headers.set("access-control-allow-credentials", "true");
        }
    }
}

impl HttpFilter for CorsFilter {
    fn on_request(
        &mut self,
        head: &mut RequestHead,
        _: bool,
        cx: &mut Context,
        dice: &mut dyn Random,
    ) -> Flow {
        let policy = self.policy.clone();
        if policy.enabled.is_some_and(|share| !share.includes(dice.next_u64())) {
            return Flow::Continue;
        }
        let Some(origin) = head.headers.get("origin").filter(|o| !o.is_empty()).map(<[u8]>::to_vec) else {
            return Flow::Continue;
        };
        let preflight =
            head.method == Method::Options && head.headers.contains("access-control-request-method");
        if !policy.allow_origin.iter().any(|m| m.matches(&origin)) {
            if !policy.allow_origin.is_empty() {
                cx.counts.push(("cors.origin_invalid", 1));
            }
            if preflight && !policy.allow_origin.is_empty() && policy.forward_unmatched_preflights == Some(false) {
                return Flow::Reply(Box::new(LocalReply::new(200, "", "cors_response")));
            }
            return Flow::Continue;
        }
        cx.counts.push(("cors.origin_valid", 1));
        if !preflight {
            self.origin = Some(origin);
            return Flow::Continue;
        }
        let mut reply = LocalReply::new(200, "", "cors_response");
        self.allow_headers(&mut reply.headers, &origin);
        for (name, value) in [
            ("access-control-allow-methods", &policy.allow_methods),
            ("access-control-allow-headers", &policy.allow_headers),
            ("access-control-max-age", &policy.max_age),
        ] {
            if !value.is_empty() {
                reply.headers.set(name, value.as_bytes());
            }
        }
        if policy.allow_private_network == Some(true)
            && head.headers.get("access-control-request-private-network") == Some(b"true")
        {
            reply.headers.set("access-control-allow-private-network", "true");
        }
        Flow::Reply(Box::new(reply))
    }

    fn on_response(&mut self, head: &mut ResponseHead, _: bool, _: &mut Context) -> Flow {
        if let Some(origin) = self.origin.clone() {
            self.allow_headers(&mut head.headers, &origin);
            if !self.policy.expose_headers.is_empty() {
                head.headers.set("access-control-expose-headers", self.policy.expose_headers.as_bytes());
            }
        }
        Flow::Continue
    }
}
