//! `cluster.<name>.`

use super::stats_group;

stats_group! {
    /// Counts of a cluster, without those by status ([`super::StatusStats`]), circuit breakers and
    /// outlier detection.
    ClusterStats {
        counter assignment_stale;
        counter assignment_timeout_received;
        counter assignment_use_cached;
        counter bind_errors;
        counter lb_healthy_panic;
        counter lb_local_cluster_not_ok;
        counter lb_recalculate_zone_structures;
        counter lb_subsets_created;
        counter lb_subsets_fallback;
        counter lb_subsets_fallback_panic;
        counter lb_subsets_removed;
        counter lb_subsets_selected;
        counter membership_change;
        counter original_dst_host_invalid;
        counter retry_or_shadow_abandoned;
        counter update_attempt;
        counter update_empty;
        counter update_failure;
        counter update_no_rebuild;
        counter update_success;
        counter upstream_cx_close_notify;
        counter upstream_cx_connect_attempts_exceeded;
        counter upstream_cx_connect_fail;
        counter upstream_cx_connect_timeout;
        counter upstream_cx_destroy;
        counter upstream_cx_destroy_local;
        counter upstream_cx_destroy_local_with_active_rq;
        counter upstream_cx_destroy_remote;
        counter upstream_cx_destroy_remote_with_active_rq;
        counter upstream_cx_destroy_with_active_rq;
        counter upstream_cx_http1_total;
        counter upstream_cx_http2_total;
        counter upstream_cx_idle_timeout;
        counter upstream_cx_max_duration_reached;
        counter upstream_cx_max_requests;
        counter upstream_cx_none_healthy;
        counter upstream_cx_overflow;
        counter upstream_cx_pool_overflow;
        counter upstream_cx_preconnect_skipped;
        counter upstream_cx_protocol_error;
        counter upstream_cx_rx_bytes_total;
        counter upstream_cx_total;
        counter upstream_cx_tx_bytes_total;
        counter upstream_flow_control_backed_up_total;
        counter upstream_flow_control_drained_total;
        counter upstream_flow_control_paused_reading_total;
        counter upstream_flow_control_resumed_reading_total;
        counter upstream_internal_redirect_failed_total;
        counter upstream_internal_redirect_succeeded_total;
        counter upstream_rq_active_overflow;
        counter upstream_rq_cancelled;
        counter upstream_rq_completed;
        counter upstream_rq_maintenance_mode;
        counter upstream_rq_max_duration_reached;
        counter upstream_rq_pending_failure_eject;
        counter upstream_rq_pending_overflow;
        counter upstream_rq_pending_total;
        counter upstream_rq_per_try_idle_timeout;
        counter upstream_rq_per_try_timeout;
        counter upstream_rq_retry;
        counter upstream_rq_retry_backoff_exponential;
        counter upstream_rq_retry_backoff_ratelimited;
        counter upstream_rq_retry_limit_exceeded;
        counter upstream_rq_retry_overflow;
        counter upstream_rq_retry_success;
        counter upstream_rq_rx_reset;
        counter upstream_rq_rx_reset_no_error;
        counter upstream_rq_timeout;
        counter upstream_rq_total;
        counter upstream_rq_tx_reset;
        gauge lb_subsets_active;
        gauge max_host_weight;
        gauge membership_degraded;
        gauge membership_excluded;
        gauge membership_healthy;
        gauge membership_total;
        gauge upstream_cx_active;
        gauge upstream_cx_rx_bytes_buffered;
        gauge upstream_cx_tx_bytes_buffered;
        gauge upstream_queue_overloaded;
        gauge upstream_rq_active;
        gauge upstream_rq_pending_active;
        gauge version;
        gauge warming_state;
        histogram upstream_cx_connect_ms;
        histogram upstream_cx_length_ms;
        histogram upstream_rq_per_cx;
        histogram upstream_rq_time;
    }
}

stats_group! {
    /// `circuit_breakers.<priority>.`: set by whoever renders the page, from the counts in `weft-state`.
    /// With `track_remaining` there are some `remaining_…` ones besides.
    CircuitBreakerStats {
        gauge cx_open;
        gauge cx_pool_open;
        gauge rq_open;
        gauge rq_pending_open;
        gauge rq_retry_open;
    }
}

stats_group! {
    /// `health_check.`
    HealthCheckStats {
        counter attempt;
        counter failure;
        counter network_failure;
        counter passive_failure;
        counter success;
        counter verify_cluster;
        gauge degraded;
        gauge healthy;
    }
}

stats_group! {
    /// `outlier_detection.`
    OutlierStats {
        counter ejections_consecutive_5xx;
        counter ejections_detected_consecutive_5xx;
        counter ejections_detected_consecutive_gateway_failure;
        counter ejections_detected_consecutive_local_origin_failure;
        counter ejections_detected_degradation;
        counter ejections_detected_failure_percentage;
        counter ejections_detected_local_origin_failure_percentage;
        counter ejections_detected_local_origin_success_rate;
        counter ejections_detected_success_rate;
        counter ejections_enforced_consecutive_5xx;
        counter ejections_enforced_consecutive_gateway_failure;
        counter ejections_enforced_consecutive_local_origin_failure;
        counter ejections_enforced_failure_percentage;
        counter ejections_enforced_local_origin_failure_percentage;
        counter ejections_enforced_local_origin_success_rate;
        counter ejections_enforced_success_rate;
        counter ejections_enforced_total;
        counter ejections_overflow;
        counter ejections_success_rate;
        counter ejections_total;
        gauge ejections_active;
    }
}
