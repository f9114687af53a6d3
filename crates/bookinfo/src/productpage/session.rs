//! Signing in and out.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{LOCATION, SET_COOKIE};

use crate::user::User;

/// `POST /login` with the form field `username`; there are no passwords.
pub(super) async fn login(body: Bytes) -> Response {
    match User::from_form(&body) {
        Some(user) => to_page(user.cookie()),
        None => (StatusCode::BAD_REQUEST, "Please give a user name of 1 to 64 letters.").into_response(),
    }
}

/// `GET /logout`.
pub(super) async fn logout() -> Response {
    to_page(User::no_cookie().to_owned())
}

/// To the page rather than to the `Referer` as the sample does: it is there whoever sent us.
fn to_page(cookie: String) -> Response {
    (StatusCode::FOUND, [(LOCATION, "/productpage".to_owned()), (SET_COOKIE, cookie)]).into_response()
}
