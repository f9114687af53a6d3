//! `reviews`: what two readers said; v2 and v3 ask ratings for stars.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::client::{Client, Target};
use crate::forwarded::passed_on_with_user;
use crate::options::{Options, Version};
use crate::product::{NotANumber, ProductId};

/// Reviewer and review.
const REVIEWS: [(&str, &str); 2] = [
    (
        "Reviewer1",
        "I laughed from the first mix-up to the last, and the twins were not the only ones to be lost.",
    ),
    ("Reviewer2", "A merry evening, if a light one: nobody in it learns much, but everybody is found."),
];

#[derive(Debug)]
struct Reviews {
    instance: String,
    cluster: String,
    stars: Option<Stars>,
}

/// How a version rates; v1 does not.
#[derive(Debug)]
struct Stars {
    color: &'static str,
    client: Client,
    ratings: Target,
    timeout: Duration,
}

pub(crate) fn routes(options: &Options) -> Router {
    let color = match options.version {
        Version::V1 => None,
        Version::V2 => Some("black"),
        Version::V3 => Some("red"),
    };
    let reviews = Reviews {
        instance: options.instance(),
        cluster: options.cluster_name.clone(),
        stars: color.map(|color| Stars {
            color,
            client: Client::new(options.via()),
            ratings: options.ratings(),
            timeout: options.ratings_timeout(),
        }),
    };
    Router::new()
        .route("/health", get(async || Json(json!({ "status": "Reviews is healthy" }))))
        .route("/reviews/{id}", get(read))
        .with_state(Arc::new(reviews))
}

async fn read(
    State(service): State<Arc<Reviews>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, NotANumber> {
    let id: ProductId = id.parse()?;
    let mut reviews = REVIEWS.map(|(reviewer, text)| json!({ "reviewer": reviewer, "text": text }));
    if let Some(stars) = &service.stars {
        let ratings = stars.fetch(id, &headers).await;
        for (review, (reviewer, _)) in reviews.iter_mut().zip(REVIEWS) {
            review["rating"] = stars.rating(&ratings[reviewer]);
        }
    }
    Ok(Json(json!({
        // text here and a number in details and ratings, as in the sample
        "id": id.to_string(),
        "podname": service.instance,
        "clustername": service.cluster,
        "reviews": reviews,
    })))
}

impl Stars {
    /// Stars by reviewer, null if ratings gave none.
    async fn fetch(&self, id: ProductId, request: &HeaderMap) -> Value {
        let headers = passed_on_with_user(request);
        match self.client.get(&self.ratings, "ratings", id, headers, self.timeout).await {
            Ok(mut answer) => answer.get_mut("ratings").map_or(Value::Null, Value::take),
            Err(_) => Value::Null,
        }
    }

    fn rating(&self, stars: &Value) -> Value {
        match stars.as_i64() {
            Some(stars) => json!({ "stars": stars, "color": self.color }),
            None => json!({ "error": "Ratings service is currently unavailable" }),
        }
    }
}
