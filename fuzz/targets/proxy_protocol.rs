//! See [`weft_fuzz::proxy_protocol`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: weft_fuzz::seeds::write("proxy_protocol"),
    |data: &[u8]| weft_fuzz::proxy_protocol::run(data)
);
