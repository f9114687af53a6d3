//! Where traffic goes.

use crate::parts::port;
use crate::scalar::text;
use crate::schema::{Schema, object};

/// A service, and where in it.
pub(crate) fn destination() -> Schema {
    object()
        .required("host", "Host in the registry; short names expand in the object's own namespace.", text())
        .field("port", "Port; may be left out if the service has but one.", port::selector())
        .field("subset", "Subset that a DestinationRule defines.", text())
}
