//! See [`weft_fuzz::hpack`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: weft_fuzz::seeds::write("hpack"),
    |data: &[u8]| weft_fuzz::hpack::run(data)
);
