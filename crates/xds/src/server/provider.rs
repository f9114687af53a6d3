//! Where sets come from.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::resource::ResourceSet;

/// Knows callers, and what each node shall have.
pub trait Provider: Send + Sync + 'static {
    /// Who calls, as he was authenticated.
    type Caller: fmt::Display + Send + Sync + 'static;

    /// Tells who calls, from his credentials.
    ///
    /// # Errors
    /// By custom [`Status::unauthenticated`].
    fn authenticate(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> impl Future<Output = Result<Self::Caller, Status>> + Send;

    /// What the node of a caller shall have, now and later. The node counts as present until the receiver
    /// is dropped; the stream ends when the sender is.
    ///
    /// # Errors
    /// By custom [`Status::permission_denied`] for a node that is not the caller's, and
    /// [`Status::invalid_argument`] for one that cannot be read.
    fn open(
        &self,
        node: &Node,
        caller: &Self::Caller,
    ) -> impl Future<Output = Result<watch::Receiver<Arc<ResourceSet>>, Status>> + Send;
}
