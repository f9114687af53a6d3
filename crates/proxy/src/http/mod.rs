//! The HTTP request path.

pub(crate) mod attempt;
pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod deadline;
pub(crate) mod exchange;
pub(crate) mod failure;
pub(crate) mod filters;
pub(crate) mod forward;
pub(crate) mod internal_redirect;
pub(crate) mod local_reply;
pub(crate) mod mirror;
pub(crate) mod record;

pub(crate) mod report;
pub(crate) mod respond;
pub(crate) mod strict;
pub(crate) mod tunnel;
pub(crate) mod upgrade;
pub(crate) mod values;
pub(crate) mod xfcc;
