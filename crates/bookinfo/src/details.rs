//! `details`: facts about a book.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::product::{NotANumber, ProductId};

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/health", get(async || Json(json!({ "status": "Details is healthy" }))))
        .route("/details/{id}", get(details))
}

async fn details(Path(id): Path<String>) -> Result<Json<Value>, NotANumber> {
    let id: ProductId = id.parse()?;
    Ok(Json(json!({
        "id": id,
        "author": "William Shakespeare",
        "year": 1595,
        "type": "paperback",
        "pages": 200,
        "publisher": "PublisherA",
        "language": "English",
        "ISBN-10": "1234567890",
        "ISBN-13": "123-1234567890",
    })))
}
