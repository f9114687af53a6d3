//! See [`weft_fuzz::http1_server`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: weft_fuzz::seeds::write("http1_server"),
    |data: &[u8]| weft_fuzz::http1_server::run(data)
);
