//! RequestAuthentication: tokens that workloads understand.

use crate::definition::Definition;
use crate::parts::workload;
use crate::scalar::{duration, flag, text};
use crate::schema::{Schema, list, object};

/// The definition (row CRD-12).
pub(super) fn definition() -> Definition {
    Definition {
        kind: "RequestAuthentication",
        plural: "requestauthentications",
        short: &["ra"],
        group: "security.istio.io",
        versions: &["v1", "v1beta1"],
        storage: "v1",
        columns: vec![],
        spec_required: false,
        spec: spec(),
    }
}

/// Tokens (JWT) that workloads understand.
fn spec() -> Schema {
    object()
        .field(
            "jwtRules",
            "Tokens that are understood. A request with a token that none of them accepts \
                 is refused; one without a token passes.",
            list(jwt_rule()).max_items(4096),
        )
        .field(
            "selector",
            "Workloads that it holds for; all of the namespace if unset.",
            workload::selector(),
        )
        .field("targetRef", "Use targetRefs.", workload::target_reference())
        .field(
            "targetRefs",
            "Gateways or services that it holds for, instead of a selector.",
            list(workload::target_reference()).max_items(16),
        )
        .rule(
            concat!(
                "(has(self.selector) ? 1 : 0) + (has(self.targetRef) ? 1 : 0) + ",
                "(has(self.targetRefs) ? 1 : 0) <= 1"
            ),
            "only one of targetRefs or selector can be set",
        )
}

/// Tokens of one issuer.
fn jwt_rule() -> Schema {
    object()
        .field(
            "audiences",
            "Audiences of which a token must name one; any if empty.",
            list(text().min_length(1)),
        )
        .field("forwardOriginalToken", "Whether the token is passed on to the application.", flag())
        .field("fromCookies", "Cookies that carry the token.", list(text().min_length(1)))
        .field(
            "fromHeaders",
            "Headers that carry the token.",
            list(object().required("name", "Name of the header.", text().min_length(1)).field(
                "prefix",
                "What stands before the token, such as `Bearer `.",
                text(),
            )),
        )
        .field("fromParams", "Query parameters that carry the token.", list(text().min_length(1)))
        .field("issuer", "Issuer that a token must name (`iss`).", text().min_length(1))
        .field("jwks", "Keys (JWKS) that may have signed a token, as they stand here.", text())
        .field(
            "jwksUri",
            "Where the keys are; found by the issuer's discovery document if unset.",
            text().min_length(1).max_length(2048).rule(
                r#"url(self).getScheme() in ["http", "https"]"#,
                "url must have scheme http:// or https://",
            ),
        )
        .field(
            "jwks_uri",
            "Use jwksUri.",
            text().min_length(1).max_length(2048).rule(
                r#"url(self).getScheme() in ["http", "https"]"#,
                "url must have scheme http:// or https://",
            ),
        )
        .field(
            "outputClaimToHeaders",
            "Claims to pass on as headers.",
            list(
                object()
                    .required("claim", "Name of the claim; dots lead into nested ones.", text().min_length(1))
                    .required(
                        "header",
                        "Name of the header.",
                        text().min_length(1).pattern("^[-_A-Za-z0-9]+$"),
                    ),
            ),
        )
        .field("outputPayloadToHeader", "Header that gets the token's payload, base64url.", text())
        .field(
            "spaceDelimitedClaims",
            "Claims whose texts are lists, parted by spaces, for matching.",
            list(text().min_length(1)).max_items(64),
        )
        .field("timeout", "Longest time for fetching the keys; 5s by default.", duration())
        .rule(
            concat!(
                "(has(self.jwksUri) ? 1 : 0) + (has(self.jwks_uri) ? 1 : 0) + (has(self.jwks) ? ",
                "1 : 0) <= 1"
            ),
            "only one of jwks or jwksUri can be set",
        )
}
