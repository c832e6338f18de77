//! Modules import only those that come before them in one order, so none imports itself in a circle.

use std::path::{Path, PathBuf};

/// The order.
const MODULES: [&str; 30] = [
    "error",
    "simd",
    "rng",
    "power",
    "activation",
    "genome",
    "arrays",
    "variation::settings",
    "variation::innovations",
    "variation::mutation",
    "variation::operators",
    "variation::crossover",
    "variation::descent",
    "variation",
    "species::distance",
    "species::reproduction",
    "species",
    "raster::grid",
    "raster::tile",
    "raster::step",
    "raster::program",
    "raster::kernel",
    "raster::color",
    "raster::draw",
    "raster",
    "direct::genes",
    "direct::picture",
    "direct::operators",
    "direct",
    "lib",
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The module of a file.
fn module(source: &Path, file: &Path) -> String {
    let path = file.strip_prefix(source).expect("below").with_extension("");
    let parts: Vec<_> = path.iter().map(|part| part.to_str().expect("a name")).filter(|part| *part != "mod").collect();
    parts.join("::")
}

/// The module that a path within the crate is about: the longest that it begins with, or the root.
fn imported(path: &str) -> &'static str {
    let begins = |name: &&&str| path.strip_prefix(**name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    MODULES.iter().filter(begins).max_by_key(|name| name.len()).unwrap_or(&"lib")
}

/// Every path after `crate::`, braces spelled out one level deep.
fn paths(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut paths = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let stem = &rest[..end];
        match rest[end..].strip_prefix('{') {
            Some(group) => {
                let group = &group[..group.find('}').expect("a closed group")];
                assert!(!group.contains('{'), "a nested group: write it as two imports");
                paths.extend(group.split(',').map(|name| format!("{stem}{}", name.trim())));
            }
            None => paths.push(stem.to_string()),
        }
    }
    paths
}

#[test]
fn imports_follow_the_order() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let place = |module: &str| MODULES.iter().position(|name| *name == module);
    let (mut seen, mut imports, mut wrong) = (0, 0, Vec::new());
    for file in files(&source) {
        let module = module(&source, &file);
        let own = place(&module).unwrap_or_else(|| panic!("{module} has no place in the order"));
        seen += 1;
        let text = std::fs::read_to_string(&file).expect("text");
        let tests = text.find("#[cfg(test)]").unwrap_or(text.len());
        assert!(!text[..tests].contains("use super::"), "{module}: write `crate::` in imports");
        for path in paths(&text[..tests]) {
            imports += 1;
            let other = imported(&path);
            if place(other) >= Some(own) {
                wrong.push(format!("{module} imports {path}, of {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen == MODULES.len() && imports > 60, "{seen} modules with {imports} imports");
}

#[test]
fn what_is_wrong_would_be_seen() {
    assert_eq!(imported("raster::program::Program"), "raster::program");
    assert_eq!(imported("raster::render"), "raster");
    assert_eq!(imported("Genome"), "lib");
    assert_eq!(imported("speciesx::A"), "lib");
    assert_eq!(paths("use crate::a::{B, c::D};\n// crate::no\npub use crate::e;"), ["a::B", "a::c::D", "e"]);
}
