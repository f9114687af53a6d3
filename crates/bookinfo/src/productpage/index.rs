//! The front page: what this is, and where to go.

use axum::response::Response;

use crate::html;

const BODY: &str = r#"<main>
<h1>Bookinfo</h1>
<p class="lead">A small bookshop of four services, there to be routed, delayed, broken and secured by a mesh.</p>
<p><a class="button" href="/productpage?u=normal">Open the product page</a></p>
<section class="panel">
<h2>Services</h2>
<table>
<tr><th scope="row">productpage</th><td>this page; calls details and reviews</td></tr>
<tr><th scope="row">details</th><td>facts about the book</td></tr>
<tr><th scope="row">reviews</th><td>v1 without stars, v2 with black, v3 with red ones; v2 and v3 call ratings</td></tr>
<tr><th scope="row">ratings</th><td>how many stars</td></tr>
</table>
</section>
</main>
"#;

/// `GET /`.
pub(super) async fn page() -> Response {
    html::page("Simple Bookstore App", BODY)
}
