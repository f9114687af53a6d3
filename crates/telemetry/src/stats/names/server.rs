//! `server.`, `cluster_manager.` and `listener_manager.`

use super::stats_group;

stats_group! {
    /// Counts of the process.
    ServerStats {
        counter debug_assertion_failures;
        counter dropped_stat_flushes;
        counter dynamic_unknown_fields;
        counter envoy_bug_failures;
        counter envoy_notifications;
        counter static_unknown_fields;
        gauge concurrency;
        gauge days_until_first_cert_expiring;
        gauge hot_restart_epoch;
        gauge hot_restart_generation;
        gauge live;
        gauge memory_allocated;
        gauge memory_heap_size;
        gauge memory_physical_size;
        gauge seconds_until_first_ocsp_response_expiring;
        gauge state;
        gauge total_connections;
        gauge uptime;
        gauge version;
        histogram initialization_time_ms;
    }
}

stats_group! {
    /// Counts of the set of clusters.
    ClusterManagerStats {
        counter cluster_added;
        counter cluster_modified;
        counter cluster_removed;
        counter cluster_updated;
        counter cluster_updated_via_merge;
        counter update_merge_cancelled;
        counter update_out_of_merge_window;
        gauge active_clusters;
        gauge warming_clusters;
    }
}

stats_group! {
    /// Counts of the set of listeners.
    ListenerManagerStats {
        counter listener_added;
        counter listener_create_failure;
        counter listener_create_success;
        counter listener_in_place_updated;
        counter listener_modified;
        counter listener_removed;
        counter listener_stopped;
        gauge total_filter_chains_draining;
        gauge total_listeners_active;
        gauge total_listeners_draining;
        gauge total_listeners_warming;
        gauge workers_pinned;
        gauge workers_started;
    }
}
