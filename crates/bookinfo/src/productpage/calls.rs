//! What productpage asks of the other services, and how patiently.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::client::{CallError, Client, Target};
use crate::forwarded::{END_USER, passed_on};
use crate::options::Options;
use crate::product::ProductId;
use crate::user::User;

/// How often reviews is asked before giving up; the sample's own, hard-wired retry, which its lesson on
/// injected delays is about.
const REVIEWS_TRIES: usize = 2;

pub(super) type Answer = Result<Value, Unavailable>;

/// A service gave no good answer.
#[derive(Debug)]
pub(super) struct Unavailable {
    /// Its status, or 500 if it gave none.
    pub(super) status: StatusCode,
    what: &'static str,
}

impl Unavailable {
    pub(super) fn message(&self) -> String {
        format!("Sorry, product {} are currently unavailable for this book.", self.what)
    }

    pub(super) fn json(&self) -> Value {
        json!({ "error": self.message() })
    }
}

/// The services behind the page.
#[derive(Debug)]
pub(super) struct Calls {
    client: Client,
    details: Target,
    reviews: Target,
    ratings: Target,
    timeout: Duration,
}

impl Calls {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            client: Client::new(options.via()),
            details: options.details(),
            reviews: options.reviews(),
            ratings: options.ratings(),
            timeout: options.page_timeout(),
        }
    }

    pub(super) async fn details(&self, id: ProductId, request: &HeaderMap) -> Answer {
        self.ask(&self.details, "details", id, request).await.map_err(unavailable("details"))
    }

    pub(super) async fn reviews(&self, id: ProductId, request: &HeaderMap) -> Answer {
        let mut answer = self.ask(&self.reviews, "reviews", id, request).await;
        for _ in 1..REVIEWS_TRIES {
            if answer.is_err() {
                answer = self.ask(&self.reviews, "reviews", id, request).await;
            }
        }
        answer.map_err(unavailable("reviews"))
    }

    pub(super) async fn ratings(&self, id: ProductId, request: &HeaderMap) -> Answer {
        self.ask(&self.ratings, "ratings", id, request).await.map_err(unavailable("ratings"))
    }

    async fn ask(
        &self,
        target: &Target,
        collection: &str,
        id: ProductId,
        request: &HeaderMap,
    ) -> Result<Value, CallError> {
        let mut headers = passed_on(request);
        if let Some(user) = User::from_cookies(request) {
            headers.insert(END_USER, user.header());
        }
        self.client.get(target, collection, id, headers, self.timeout).await
    }
}

fn unavailable(what: &'static str) -> impl Fn(CallError) -> Unavailable {
    move |error| Unavailable { status: error.status(), what }
}
