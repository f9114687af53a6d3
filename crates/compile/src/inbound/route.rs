//! Inline routes to the application: one, without a timeout of its own.

use std::time::Duration;

use weft_proto::envoy::config::route::v3::route::Action;
use weft_proto::envoy::config::route::v3::route_action::{ClusterSpecifier, MaxStreamDuration};
use weft_proto::envoy::config::route::v3::route_match::PathSpecifier;
use weft_proto::envoy::config::route::v3::{
    Decorator, RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};

use super::port::InboundPort;
use crate::message::{bool_value, duration, u32_value};

/// Routes to a port of the workload.
pub(super) fn of_port(port: &InboundPort) -> RouteConfiguration {
    let host = port.services.first().map_or("", |service| &*service.host);
    let operation = format!("{host}:{}/*", port.service_port);
    let mut config = config(port.cluster(), port.service_port, operation);
    for route in config.virtual_hosts.iter_mut().flat_map(|host| &mut host.routes) {
        route.metadata = Some(port.metadata.clone());
    }
    config
}

/// Routes for ports that no service has.
pub(super) fn passthrough() -> RouteConfiguration {
    config(super::INBOUND_PASSTHROUGH.to_owned(), 0, ":0/*".to_owned())
}

fn config(cluster: String, port: u16, operation: String) -> RouteConfiguration {
    let unlimited = || Some(duration(Duration::ZERO));
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.clone())),
        timeout: unlimited(),
        max_stream_duration: Some(MaxStreamDuration {
            max_stream_duration: unlimited(),
            grpc_timeout_header_max: unlimited(),
            ..MaxStreamDuration::default()
        }),
        // Nothing has reached the application then: to try again is safe for every method.
        retry_policy: Some(RetryPolicy {
            retry_on: "reset-before-request".to_owned(),
            num_retries: Some(u32_value(2)),
            ..RetryPolicy::default()
        }),
        ..RouteAction::default()
    };
    let route = Route {
        name: "default".to_owned(),
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
            ..RouteMatch::default()
        }),
        action: Some(Action::Route(action)),
        decorator: Some(Decorator { operation, propagate: None }),
        ..Route::default()
    };
    let host = VirtualHost {
        name: format!("inbound|http|{port}"),
        domains: vec!["*".to_owned()],
        routes: vec![route],
        ..VirtualHost::default()
    };
    RouteConfiguration {
        name: cluster,
        virtual_hosts: vec![host],
        validate_clusters: Some(bool_value(false)),
        ..RouteConfiguration::default()
    }
}
