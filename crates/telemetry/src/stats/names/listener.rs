//! `listener.<address>.`, `tcp.<stat prefix>.` and `ssl.`

use super::stats_group;

stats_group! {
    /// Counts of a listener.
    ListenerStats {
        counter downstream_cx_destroy;
        counter downstream_cx_overflow;
        counter downstream_cx_overload_reject;
        counter downstream_cx_total;
        counter downstream_cx_transport_socket_connect_timeout;
        counter downstream_global_cx_overflow;
        counter downstream_listener_filter_error;
        counter downstream_listener_filter_remote_close;
        counter downstream_pre_cx_timeout;
        counter extension_config_missing;
        counter network_extension_config_missing;
        counter no_filter_chain_match;
        gauge downstream_cx_active;
        gauge downstream_pre_cx_active;
        histogram connections_accepted_per_socket_event;
        histogram downstream_cx_length_ms;
    }
}

stats_group! {
    /// Counts of a TCP proxy.
    TcpStats {
        counter downstream_cx_drain_close;
        counter downstream_cx_no_route;
        counter downstream_cx_overload_close;
        counter downstream_cx_rx_bytes_total;
        counter downstream_cx_total;
        counter downstream_cx_tx_bytes_total;
        counter downstream_flow_control_paused_reading_total;
        counter downstream_flow_control_resumed_reading_total;
        counter early_data_received_count_total;
        counter idle_timeout;
        counter max_downstream_connection_duration;
        counter route_delayed_total;
        counter upstream_flush_total;
        gauge downstream_cx_rx_bytes_buffered;
        gauge downstream_cx_tx_bytes_buffered;
        gauge upstream_flush_active;
    }
}

stats_group! {
    /// `ssl.` of a listener or cluster.
    TlsStats {
        counter connection_error;
        counter fail_verify_cert_hash;
        counter fail_verify_error;
        counter fail_verify_no_cert;
        counter fail_verify_san;
        counter handshake;
        counter no_certificate;
        counter session_reused;
    }
}
