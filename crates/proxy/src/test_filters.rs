//! Three filters of the open variant that hold the filter seam (design 11.2): one that waits for an
//! outcome from outside, one that changes bodies and trailers, one that replies on the response path.
//! They are registered only with `--test-filters`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weft_filter::{BodyFlow, Context, Flow, HttpFilter, LocalReply, OpenFilters};
use weft_types::{Headers, Random, RequestHead, ResponseFlag, ResponseHead};

/// All three, by kind.
pub(crate) fn all() -> OpenFilters {
    let mut filters = OpenFilters::default();
    filters.0.insert("weft.test.Authorize".into(), Arc::new(|_| Box::new(Authorize)));
    filters.0.insert("weft.test.RewriteBody".into(), Arc::new(|_| Box::new(RewriteBody)));
    filters.0.insert("weft.test.ReplyOnResponse".into(), Arc::new(|_| Box::new(ReplyOnResponse)));
    filters
}

/// Asks "outside" (a task that answers after a while) whether the request may pass.
#[derive(Debug)]
struct Authorize;

impl HttpFilter for Authorize {
    fn on_request(&mut self, head: &mut RequestHead, _: bool, _: &mut Context, _: &mut dyn Random) -> Flow {
        let Some(token) = head.headers.get_str("x-test-token").map(str::to_owned) else {
            return Flow::Reply(Box::new(LocalReply::new(401, "no token", "test_authorize_missing")));
        };
        head.headers.remove("x-test-token");
        head.headers.set("x-test-authorized", "yes");
        Flow::Wait(Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if token == "good" {
                return Flow::Continue;
            }
            let denied = LocalReply::new(403, "denied", "test_authorize_denied");
            Flow::Reply(Box::new(denied.flag(ResponseFlag::UnauthorizedExternalService)))
        }))
    }
}

/// Turns request bodies into upper case once they are whole, and response bodies into lower case as
/// they come; adds a trailer.
#[derive(Debug)]
struct RewriteBody;

impl HttpFilter for RewriteBody {
    fn on_request(&mut self, head: &mut RequestHead, end: bool, _: &mut Context, _: &mut dyn Random) -> Flow {
        if end {
            return Flow::Continue;
        }
        head.headers.remove("content-length");
        Flow::Buffer(64 * 1024)
    }

    fn on_request_data(&mut self, data: &mut Bytes, _: bool, _: &mut Context) -> BodyFlow {
        *data = data.to_ascii_uppercase().into();
        BodyFlow::Continue
    }

    fn on_response_data(&mut self, data: &mut Bytes, _: bool, _: &mut Context) -> BodyFlow {
        *data = data.to_ascii_lowercase().into();
        BodyFlow::Continue
    }

    fn on_response_trailers(&mut self, trailers: &mut Headers, _: &mut Context) -> BodyFlow {
        trailers.append("x-test-trailer", "seen");
        BodyFlow::Continue
    }

    fn wants_body(&self) -> (bool, bool) {
        (true, true)
    }
}

/// Replaces responses that the upstream marks.
#[derive(Debug)]
struct ReplyOnResponse;

impl HttpFilter for ReplyOnResponse {
    fn on_response(&mut self, head: &mut ResponseHead, _: bool, _: &mut Context) -> Flow {
        if head.status == 418 {
            return Flow::Reply(Box::new(LocalReply::new(200, "no teapots here", "test_reply_on_response")));
        }
        head.headers.set("x-test-reply-filter", "passed");
        Flow::Continue
    }
}
