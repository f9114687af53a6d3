//! Response code details: one word for the cause, and the object behind it.

use std::fmt;

use crate::Provenance;

/// Why a response came to be: Envoy's `%RESPONSE_CODE_DETAILS%` word, and, where a configured object
/// caused it, which one. The word is compared with Envoy; the object is ours alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Envoy's word, for example `via_upstream`, `route_not_found`, `no_healthy_upstream`.
    pub word: std::borrow::Cow<'static, str>,
    /// The object that decided, if one did.
    pub object: Option<std::sync::Arc<Provenance>>,
}

impl Detail {
    /// A detail without an object.
    #[must_use]
    pub const fn word(word: &'static str) -> Self {
        Self { word: std::borrow::Cow::Borrowed(word), object: None }
    }

    /// The same word with the object that decided.
    #[must_use]
    pub fn with_object(mut self, object: Option<std::sync::Arc<Provenance>>) -> Self {
        self.object = object;
        self
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)?;
        if let Some(object) = &self.object {
            write!(f, "{{{object}}}")?;
        }
        Ok(())
    }
}
