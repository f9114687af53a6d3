//! See [`weft_fuzz::chunked`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: weft_fuzz::seeds::write("chunked"),
    |data: &[u8]| weft_fuzz::chunked::run(data)
);
