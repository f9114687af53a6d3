//! Counters of gRPC calls.

use bytes::Bytes;
use weft_route::matching::is_grpc;
use weft_types::{Headers, Random, RequestHead, ResponseHead};

use crate::seam::{BodyFlow, Context, Flow, HttpFilter};

mod frames;

use frames::Frames;

/// `envoy.filters.http.grpc_stats`, as counting only: calls by status and messages by direction, under
/// the cluster (`cluster.<name>.grpc.…`), for all methods together.
#[derive(Debug, Default)]
pub(crate) struct GrpcStatsFilter {
    /// The request is a gRPC call.
    grpc: bool,
    request: Frames,
    response: Frames,
}

impl GrpcStatsFilter {
    fn status(&self, fields: &Headers, cx: &mut Context) {
        let Some(status) = fields.get_str("grpc-status").filter(|_| self.grpc) else { return };
        let code = status.trim().parse().ok().and_then(|code: usize| BY_STATUS.get(code)).copied();
        cx.cluster_counts.extend(code.map(|name| (name, 1)));
        cx.cluster_counts.push((if code == Some(BY_STATUS[0]) { "grpc.success" } else { "grpc.failure" }, 1));
        cx.cluster_counts.push(("grpc.total", 1));
    }
}

/// Counters of the statuses that gRPC knows.
const BY_STATUS: [&str; 17] = [
    "grpc.0", "grpc.1", "grpc.2", "grpc.3", "grpc.4", "grpc.5", "grpc.6", "grpc.7", "grpc.8", "grpc.9",
    "grpc.10", "grpc.11", "grpc.12", "grpc.13", "grpc.14", "grpc.15", "grpc.16",
];

/// Whether a path names a service and a method.
fn names_method(path: &str) -> bool {
    let mut parts = path.strip_prefix('/').unwrap_or_default().split('/');
    let (service, method) = (parts.next(), parts.next());
    service.is_some_and(|s| !s.is_empty()) && method.is_some_and(|m| !m.is_empty()) && parts.next().is_none()
}

impl HttpFilter for GrpcStatsFilter {
    fn on_request(&mut self, head: &mut RequestHead, _: bool, cx: &mut Context, _: &mut dyn Random) -> Flow {
        self.grpc = cx.cluster_name.is_some() && is_grpc(head) && names_method(head.path_only());
        Flow::Continue
    }

    fn on_request_data(&mut self, data: &mut Bytes, _: bool, cx: &mut Context) -> BodyFlow {
        if self.grpc {
            let messages = self.request.pass(data);
            cx.messages.0 += messages;
            cx.cluster_counts.extend((messages > 0).then_some(("grpc.request_message_count", messages)));
        }
        BodyFlow::Continue
    }

    fn on_response(&mut self, head: &mut ResponseHead, _: bool, cx: &mut Context) -> Flow {
        self.status(&head.headers, cx);
        Flow::Continue
    }

    fn on_response_data(&mut self, data: &mut Bytes, _: bool, cx: &mut Context) -> BodyFlow {
        if self.grpc {
            let messages = self.response.pass(data);
            cx.messages.1 += messages;
            cx.cluster_counts.extend((messages > 0).then_some(("grpc.response_message_count", messages)));
        }
        BodyFlow::Continue
    }

    fn on_response_trailers(&mut self, trailers: &mut Headers, cx: &mut Context) -> BodyFlow {
        self.status(trailers, cx);
        BodyFlow::Continue
    }

    fn wants_body(&self) -> (bool, bool) {
        (self.grpc, self.grpc)
    }

    fn changes_body(&self) -> (bool, bool) {
        (false, false)
    }
}

#[cfg(test)]
mod tests;
