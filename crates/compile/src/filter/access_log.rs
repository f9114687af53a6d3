//! Istio's access log (MC-01, TM-09).

use weft_model::MeshConfig;
use weft_proto::envoy::config::accesslog::v3::access_log::ConfigType;
use weft_proto::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use weft_proto::envoy::config::accesslog::v3::{AccessLog, AccessLogFilter, ResponseFlagFilter};
use weft_proto::envoy::config::core::v3::data_source::Specifier;
use weft_proto::envoy::config::core::v3::substitution_format_string::Format;
use weft_proto::envoy::config::core::v3::{DataSource, SubstitutionFormatString};
use weft_proto::envoy::extensions::access_loggers::file::v3::FileAccessLog;
use weft_proto::envoy::extensions::access_loggers::file::v3::file_access_log::AccessLogFormat;

/// Name of the logger.
const FILE_LOGGER: &str = "envoy.access_loggers.file";

/// Istio's default format.
pub const FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% \
%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% \
%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// The log of requests and connections; empty unless the mesh has one.
#[must_use]
pub fn of_calls(mesh: &MeshConfig) -> Vec<AccessLog> {
    mesh.access_log.as_deref().filter(|path| !path.is_empty()).map(file).into_iter().collect()
}

/// The log of a listener: connections that no filter chain takes.
#[must_use]
pub fn of_listener(mesh: &MeshConfig) -> Vec<AccessLog> {
    let unmatched = AccessLogFilter {
        filter_specifier: Some(FilterSpecifier::ResponseFlagFilter(ResponseFlagFilter {
            flags: vec!["NR".to_owned()],
        })),
    };
    let logs = of_calls(mesh).into_iter();
    logs.map(|log| AccessLog { filter: Some(unmatched.clone()), ..log }).collect()
}

fn file(path: &str) -> AccessLog {
    let format = SubstitutionFormatString {
        format: Some(Format::TextFormatSource(inline(FORMAT))),
        ..SubstitutionFormatString::default()
    };
    let config =
        FileAccessLog { path: path.to_owned(), access_log_format: Some(AccessLogFormat::LogFormat(format)) };
    AccessLog {
        name: FILE_LOGGER.to_owned(),
        filter: None,
        config_type: Some(ConfigType::TypedConfig(weft_proto::any::pack(&config))),
    }
}

/// Text that stands in the configuration itself.
pub(crate) fn inline(text: &str) -> DataSource {
    DataSource { specifier: Some(Specifier::InlineString(text.to_owned())), ..DataSource::default() }
}
