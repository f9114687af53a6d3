//! The mesh at one moment: services, endpoints, workloads and policies, from the objects in force.
#![forbid(unsafe_code)]
