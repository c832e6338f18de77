#![no_main]

mod checks;

libfuzzer_sys::fuzz_target!(init: checks::one_thread(), |data: &[u8]| checks::genome_json(data));
