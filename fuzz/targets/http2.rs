//! See [`weft_fuzz::http2`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: weft_fuzz::seeds::write("http2"),
    |data: &[u8]| weft_fuzz::http2::run(data)
);
