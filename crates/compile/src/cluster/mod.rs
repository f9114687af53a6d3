//! Clusters toward other workloads.
