//! `ratings`: how many stars each reviewer gave.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::product::{NotANumber, ProductId};

/// Most products that can be given ratings of their own.
const MAX_PRODUCTS: usize = 1000;

/// Stars by reviewer.
type Stars = BTreeMap<String, i64>;

/// Ratings that callers have set, until the process ends.
#[derive(Debug, Clone, Default)]
struct Given(Arc<Mutex<HashMap<ProductId, Stars>>>);

impl Given {
    fn lock(&self) -> MutexGuard<'_, HashMap<ProductId, Stars>> {
        // Each change is one insertion, so the map is whole whatever happened to its last holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Serialize)]
struct Ratings {
    id: ProductId,
    ratings: Stars,
}

#[derive(Debug)]
enum Refusal {
    NotANumber,
    NotRatings,
    Full,
}

impl From<NotANumber> for Refusal {
    fn from(NotANumber: NotANumber) -> Self {
        Self::NotANumber
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::NotANumber => return NotANumber.into_response(),
            Self::NotRatings => (StatusCode::BAD_REQUEST, "please provide valid ratings JSON"),
            Self::Full => (StatusCode::INSUFFICIENT_STORAGE, "too many products have ratings"),
        };
        (status, Json(json!({ "error": error }))).into_response()
    }
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/health", get(async || Json(json!({ "status": "Ratings is healthy" }))))
        .route("/ratings/{id}", get(read).post(write))
        .with_state(Given::default())
}

async fn read(State(given): State<Given>, Path(id): Path<String>) -> Result<Json<Ratings>, NotANumber> {
    let id = id.parse()?;
    let ratings = given.lock().get(&id).cloned().unwrap_or_else(unless_given);
    Ok(Json(Ratings { id, ratings }))
}

async fn write(
    State(given): State<Given>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Ratings>, Refusal> {
    let id = id.parse()?;
    let ratings: Stars = serde_json::from_slice(&body).map_err(|_| Refusal::NotRatings)?;
    let mut given = given.lock();
    if given.len() >= MAX_PRODUCTS && !given.contains_key(&id) {
        return Err(Refusal::Full);
    }
    given.insert(id, ratings.clone());
    Ok(Json(Ratings { id, ratings }))
}

fn unless_given() -> Stars {
    Stars::from([("Reviewer1".to_owned(), 5), ("Reviewer2".to_owned(), 4)])
}
