//! `productpage`: the page in a browser, and the API of products.

mod book;
mod calls;
mod index;
mod session;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::options::Options;
use crate::product::{NotANumber, Product, SHOWN};
use crate::user::User;
use calls::{Answer, Calls};

type Shop = State<Arc<Calls>>;
/// What an API path answers: the other service's status, and its JSON or an error.
type Reply = Result<(StatusCode, Json<Value>), NotANumber>;

pub(crate) fn routes(options: &Options) -> Router {
    Router::new()
        .route("/", get(index::page))
        .route("/index.html", get(index::page))
        .route("/health", get(async || "Product page is healthy"))
        .route("/productpage", get(page))
        .route("/login", post(session::login))
        .route("/logout", get(session::logout))
        .route("/api/v1/products", get(products))
        .route("/api/v1/products/{id}", get(details))
        .route("/api/v1/products/{id}/reviews", get(reviews))
        .route("/api/v1/products/{id}/ratings", get(ratings))
        .with_state(Arc::new(Calls::new(options)))
}

async fn page(State(calls): Shop, headers: HeaderMap) -> Response {
    // One after the other as in the sample, so that a slow service costs here what it costs there.
    let details = calls.details(SHOWN.id, &headers).await;
    let reviews = calls.reviews(SHOWN.id, &headers).await;
    book::page(User::from_cookies(&headers).as_ref(), &details, &reviews)
}

async fn products() -> Json<[Product; 1]> {
    Json([SHOWN])
}

async fn details(State(calls): Shop, Path(id): Path<String>, headers: HeaderMap) -> Reply {
    Ok(reply(calls.details(id.parse()?, &headers).await))
}

async fn reviews(State(calls): Shop, Path(id): Path<String>, headers: HeaderMap) -> Reply {
    Ok(reply(calls.reviews(id.parse()?, &headers).await))
}

async fn ratings(State(calls): Shop, Path(id): Path<String>, headers: HeaderMap) -> Reply {
    Ok(reply(calls.ratings(id.parse()?, &headers).await))
}

fn reply(answer: Answer) -> (StatusCode, Json<Value>) {
    match answer {
        Ok(value) => (StatusCode::OK, Json(value)),
        Err(unavailable) => (unavailable.status, Json(unavailable.json())),
    }
}
