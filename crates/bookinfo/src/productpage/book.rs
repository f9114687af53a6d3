//! The page of the book: facts, reviews, stars, and what could not be had.

use std::borrow::Cow;
use std::fmt::{self, Write};

use axum::response::Response;
use serde_json::Value;

use super::calls::{Answer, Unavailable};
use crate::html::{self, Text};
use crate::product::SHOWN;
use crate::user::User;

/// Most stars that are drawn.
const MAX_STARS: u8 = 5;

/// Rows of the table of details: label and JSON field.
const DETAILS: [(&str, &str); 8] = [
    ("Author", "author"),
    ("Year", "year"),
    ("Type", "type"),
    ("Pages", "pages"),
    ("Publisher", "publisher"),
    ("Language", "language"),
    ("ISBN-10", "ISBN-10"),
    ("ISBN-13", "ISBN-13"),
];

pub(super) fn page(user: Option<&User>, details: &Answer, reviews: &Answer) -> Response {
    let mut body = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut body, user, details, reviews);
    // The sample's title: scripts that check for the page look for it.
    html::page("Simple Bookstore App", &body)
}

fn write_page(out: &mut String, user: Option<&User>, details: &Answer, reviews: &Answer) -> fmt::Result {
    write_bar(out, user)?;
    writeln!(out, "<main>\n<h1>{}</h1>", Text(SHOWN.title))?;
    writeln!(out, "<p class=\"lead\">{}</p>\n<div class=\"columns\">", SHOWN.description_html)?;
    match details {
        Ok(details) => write_details(out, details)?,
        Err(error) => write_error(out, "details", error)?,
    }
    match reviews {
        Ok(reviews) => write_reviews(out, reviews)?,
        Err(error) => write_error(out, "reviews", error)?,
    }
    writeln!(out, "</div>\n</main>")
}

fn write_bar(out: &mut String, user: Option<&User>) -> fmt::Result {
    writeln!(out, "<header class=\"bar\">\n<a class=\"brand\" href=\"/\">Bookinfo</a>")?;
    match user {
        Some(user) => writeln!(
            out,
            "<p>Signed in as <b>{}</b> <a class=\"button\" href=\"/logout\">Sign out</a></p>",
            Text(user.name())
        )?,
        None => writeln!(
            out,
            "<form action=\"/login\" method=\"post\">\n\
             <input name=\"username\" aria-label=\"User name\" placeholder=\"User name\" \
             maxlength=\"64\" autocomplete=\"username\" required>\n\
             <button class=\"button\">Sign in</button>\n</form>"
        )?,
    }
    writeln!(out, "</header>")
}

fn write_details(out: &mut String, details: &Value) -> fmt::Result {
    writeln!(out, "<section class=\"panel\">\n<h2>Book Details</h2>\n<table>")?;
    for (label, field) in DETAILS {
        let value = words(&details[field]);
        writeln!(out, "<tr><th scope=\"row\">{label}</th><td>{}</td></tr>", Text(&value))?;
    }
    writeln!(out, "</table>\n</section>")
}

fn write_reviews(out: &mut String, answer: &Value) -> fmt::Result {
    writeln!(out, "<section class=\"panel\">\n<h2>Book Reviews</h2>")?;
    for review in answer["reviews"].as_array().map_or(&[][..], Vec::as_slice) {
        let (reviewer, text) = (words(&review["reviewer"]), words(&review["text"]));
        writeln!(out, "<blockquote>\n<p>{}</p>\n<footer>", Text(&text))?;
        writeln!(out, "<cite>{}</cite>", Text(&reviewer))?;
        write_rating(out, &review["rating"])?;
        writeln!(out, "</footer>\n</blockquote>")?;
    }
    let (instance, cluster) = (words(&answer["podname"]), words(&answer["clustername"]));
    write!(out, "<p class=\"served\">Reviews served by: <b>{}</b>", Text(&instance))?;
    // A cluster without a name calls itself "null", as in the sample.
    if !matches!(&*cluster, "" | "null" | "—") {
        write!(out, " on cluster <b>{}</b>", Text(&cluster))?;
    }
    writeln!(out, "</p>\n</section>")
}

fn write_rating(out: &mut String, rating: &Value) -> fmt::Result {
    if let Some(error) = rating["error"].as_str() {
        return writeln!(out, "<span class=\"missing\">{}</span>", Text(error));
    }
    let Some(stars) = rating["stars"].as_u64() else { return Ok(()) };
    let stars = u8::try_from(stars).unwrap_or(MAX_STARS).min(MAX_STARS);
    let color = match rating["color"].as_str() {
        Some("red") => "red",
        _ => "black",
    };
    write!(out, "<span class=\"stars {color}\" role=\"img\" aria-label=\"{stars} of 5 stars, {color}\">")?;
    for position in 0..MAX_STARS {
        out.push(if position < stars { '★' } else { '☆' });
    }
    writeln!(out, "</span>")
}

fn write_error(out: &mut String, what: &str, error: &Unavailable) -> fmt::Result {
    writeln!(
        out,
        "<section class=\"panel error\" role=\"alert\">\n<h2>Error fetching product {what}!</h2>\n<p>{}</p>\n</section>",
        Text(&error.message())
    )
}

/// A JSON value as a reader wants it.
fn words(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed("—"),
        other => Cow::Owned(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rating(value: &Value) -> String {
        let mut out = String::new();
        write_rating(&mut out, value).unwrap();
        out
    }

    #[test]
    fn stars_are_at_most_five_whatever_the_service_says() {
        assert_eq!(rating(&json!({ "stars": 4, "color": "red" })).matches('★').count(), 4);
        assert_eq!(rating(&json!({ "stars": 4_000_000_000_u64, "color": "black" })).matches('★').count(), 5);
        assert_eq!(rating(&json!({ "stars": -3, "color": "black" })), "");
        assert_eq!(rating(&Value::Null), "");
    }

    #[test]
    fn services_cannot_write_markup() {
        let answer = json!({
            "podname": "<i>", "clustername": "\"<i>",
            "reviews": [{
                "reviewer": "<i>", "text": "<i>", "rating": { "stars": 1, "color": "\"><i>" },
            }, { "rating": { "error": "<i>" } }],
        });
        let mut out = String::new();
        write_reviews(&mut out, &answer).unwrap();
        write_details(&mut out, &json!({ "author": "<i>", "pages": ["<i>"] })).unwrap();
        assert!(!out.contains("<i>"), "{out}");
        assert_eq!(out.matches("&lt;i&gt;").count(), 7);
    }
}
