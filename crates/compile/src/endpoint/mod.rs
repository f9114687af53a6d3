//! Endpoints of clusters.
