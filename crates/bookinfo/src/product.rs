//! The one product of the shop.

use std::fmt;
use std::str::FromStr;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

/// A product's number; any will do, the shop has facts about one book only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct ProductId(u32);

/// The product that the page shows.
pub(crate) const SHOWN: Product = Product {
    id: ProductId(0),
    title: "The Comedy of Errors",
    description_html: "Two pairs of twins, parted by a shipwreck, come to the same town on the same day \
        without knowing it. <b>William Shakespeare's</b> shortest play makes of that a day of wrong \
        dinners, wrong arrests and wrong wives \
        (<a href=\"https://en.wikipedia.org/wiki/The_Comedy_of_Errors\">more about it</a>).",
};

/// An entry of `/api/v1/products`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    pub(crate) title: &'static str,
    #[serde(rename = "descriptionHtml")]
    pub(crate) description_html: &'static str,
}

/// The answer to a path whose last part is no product number: 400.
#[derive(Debug)]
pub(crate) struct NotANumber;

impl FromStr for ProductId {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        text.parse().map(Self).map_err(|_| NotANumber)
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl IntoResponse for NotANumber {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": "please provide numeric product ID" }));
        (StatusCode::BAD_REQUEST, body).into_response()
    }
}
