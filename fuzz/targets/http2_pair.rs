//! See [`weft_fuzz::http2_pair`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: weft_fuzz::seeds::write("http2_pair"),
    |data: &[u8]| weft_fuzz::http2_pair::run(data)
);
