//! Listeners for what the application sends.
