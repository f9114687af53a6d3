//! See [`weft_fuzz::http1_heads`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: weft_fuzz::seeds::write("http1_heads"),
    |data: &[u8]| weft_fuzz::http1_heads::run(data)
);
