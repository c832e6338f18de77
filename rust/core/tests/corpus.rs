//! Inputs that fuzzing found worth keeping, tried again: what broke once must not break twice.

#[path = "../fuzz/fuzz_targets/checks.rs"]
mod checks;

use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = folder.read_dir().expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        check(&std::fs::read(file).expect("readable"));
    }
}

#[test]
fn genome_json() {
    replay("genome_json", checks::genome_json);
}

#[test]
fn arrays() {
    replay("arrays", checks::arrays);
}

#[test]
fn species_json() {
    replay("species_json", checks::species_json);
}
