//! Counts of HTTP filters, below `http.<stat prefix>.`

use super::stats_group;

stats_group! {
    /// `fault.`
    FaultStats {
        counter aborts_injected;
        counter delays_injected;
        counter faults_overflow;
        counter response_rl_injected;
        gauge active_faults;
    }
}

stats_group! {
    /// `rbac.`
    RbacStats {
        counter allowed;
        counter denied;
        counter shadow_allowed;
        counter shadow_denied;
    }
}

stats_group! {
    /// `<stat prefix>.http_local_rate_limit.`
    RateLimitStats {
        counter enabled;
        counter enforced;
        counter ok;
        counter rate_limited;
    }
}
