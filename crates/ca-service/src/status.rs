//! Refusals as gRPC says them.

use tonic::{Code, Status};
use weft_ca::IssueError;

/// `INVALID_ARGUMENT` for what the caller can mend, so that agents do not try again with the same;
/// `UNAVAILABLE` for what time mends.
pub(crate) fn of(error: &IssueError) -> Status {
    let code = match error {
        IssueError::TooLong { .. }
        | IssueError::Malformed(_)
        | IssueError::Key(_)
        | IssueError::Possession
        | IssueError::Validity { .. } => Code::InvalidArgument,
        IssueError::Identity(_) => Code::PermissionDenied,
        IssueError::AuthorityNotValid => Code::Unavailable,
        IssueError::Signing(_) => Code::Internal,
    };
    Status::new(code, error.to_string())
}
