//! weft-telemetry.
