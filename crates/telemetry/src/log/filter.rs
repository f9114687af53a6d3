//! Which requests a log records.

use weft_tables::access_log::{Comparison, LogFilter};
use weft_types::Random;

use super::grpc;
use super::record::LogRecord;

/// Whether a record passes a filter.
pub fn passes(filter: &LogFilter, record: &LogRecord<'_>, rng: &mut impl Random) -> bool {
    match filter {
        LogFilter::Status(comparison, value) => {
            compare(*comparison, u64::from(record.status.unwrap_or(0)), *value)
        }
        LogFilter::Duration(comparison, value) => record.duration.is_some_and(|duration| {
            compare(*comparison, u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), *value)
        }),
        LogFilter::NotHealthCheck => !record.health_check,
        LogFilter::Traceable => record.traced,
        LogFilter::Runtime(share) => share.includes(rng.next_u64()),
        LogFilter::And(filters) => filters.iter().all(|filter| passes(filter, record, rng)),
        LogFilter::Or(filters) => filters.iter().any(|filter| passes(filter, record, rng)),
        LogFilter::Header(test) => record.request.is_some_and(|head| test.matches(head)),
        LogFilter::Flags(flags) if flags.is_empty() => !record.flags.is_empty(),
        LogFilter::Flags(flags) => flags.iter().any(|flag| record.flags.contains(*flag)),
        LogFilter::GrpcStatus { codes, exclude } => {
            // Envoy takes an unknown status as UNKNOWN (2).
            codes.contains(&grpc::status(record).unwrap_or(2)) != *exclude
        }
    }
}

fn compare(comparison: Comparison, have: u64, want: u32) -> bool {
    let want = u64::from(want);
    match comparison {
        Comparison::Equal => have == want,
        Comparison::AtLeast => have >= want,
        Comparison::AtMost => have <= want,
        Comparison::NotEqual => have != want,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weft_tables::access_log::{Comparison, LogFilter};
    use weft_types::random::SplitMix;
    use weft_types::{FractionalPercent, ResponseFlag};

    use super::*;

    #[test]
    fn filters_as_envoy_does() {
        let record = LogRecord {
            status: Some(503),
            duration: Some(Duration::from_millis(20)),
            flags: ResponseFlag::UpstreamOverflow.into(),
            health_check: true,
            ..LogRecord::default()
        };
        let check = |filter: &LogFilter| passes(filter, &record, &mut SplitMix::new(1));
        assert!(check(&LogFilter::Status(Comparison::AtLeast, 500)));
        assert!(!check(&LogFilter::Status(Comparison::AtMost, 500)));
        assert!(check(&LogFilter::Status(Comparison::NotEqual, 200)));
        assert!(check(&LogFilter::Duration(Comparison::Equal, 20)));
        assert!(!check(&LogFilter::NotHealthCheck));
        assert!(!check(&LogFilter::Traceable));
        assert!(check(&LogFilter::Runtime(FractionalPercent::ALWAYS)));
        assert!(!check(&LogFilter::Runtime(FractionalPercent::NEVER)));
        assert!(check(&LogFilter::Flags(vec![])));
        assert!(check(&LogFilter::Flags(vec![ResponseFlag::UpstreamOverflow])));
        assert!(!check(&LogFilter::Flags(vec![ResponseFlag::NoRouteFound])));
        assert!(check(&LogFilter::GrpcStatus { codes: vec![14], exclude: false }));
        assert!(!check(&LogFilter::GrpcStatus { codes: vec![14], exclude: true }));
        assert!(!check(&LogFilter::And(vec![LogFilter::Traceable, LogFilter::Flags(vec![])])));
        assert!(check(&LogFilter::Or(vec![LogFilter::Traceable, LogFilter::Flags(vec![])])));
        let nothing = LogRecord::default();
        let mut rng = SplitMix::new(1);
        assert!(!passes(&LogFilter::Duration(Comparison::AtLeast, 0), &nothing, &mut rng));
        assert!(!passes(&LogFilter::Flags(vec![]), &nothing, &mut rng));
        assert!(passes(&LogFilter::NotHealthCheck, &nothing, &mut rng));
    }
}
