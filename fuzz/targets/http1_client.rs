//! See [`weft_fuzz::http1_client`].
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: weft_fuzz::seeds::write("http1_client"),
    |data: &[u8]| weft_fuzz::http1_client::run(data)
);
