//! See [`weft_fuzz::detect`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: weft_fuzz::seeds::write("detect"),
    |data: &[u8]| weft_fuzz::detect::run(data)
);
