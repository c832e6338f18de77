//! Compilation and rendering of genomes, one thread.
//!
//! `cargo bench -p neatfool-core --bench render`. Random genomes of 18 nodes and 39 connections; those of
//! `$NEATFOOL_SHARED/bench` as well, when the variable is set. Rendering counts node values, live nodes times pixels, so
//! the inverse of criterion's throughput is the time per node and pixel.

#[path = "../rust/core/tests/common/mod.rs"]
mod common;

use std::sync::atomic::AtomicBool;

use common::{PAPER, random_genome, read_genomes};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use neatfool_core::genome::Genome;
use neatfool_core::program::Program;
use neatfool_core::render::{ColorModel, Coordinates, Grid, render};

fn sets() -> Vec<(String, Vec<Genome>)> {
    let random = |outputs: usize| (0..32).map(|seed| random_genome(seed, outputs, 18 - outputs, 39, &PAPER)).collect();
    let mut sets = vec![("random-rgb".to_string(), random(3)), ("random-gray".to_string(), random(1))];
    if std::env::var_os("NEATFOOL_SHARED").is_some() {
        let folder = common::shared().expect("NEATFOOL_SHARED is a folder");
        for set in ["rgb", "gray"] {
            sets.push((format!("shared-{set}"), read_genomes(&folder.join(format!("bench/genomes_{set}.json")))));
        }
    }
    sets
}

fn compilation(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    for (name, genomes) in sets() {
        group.throughput(Throughput::Elements(genomes.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| genomes.iter().map(|genome| Program::compile(genome, Coordinates::Unit).steps()).sum::<usize>());
        });
    }
}

fn rendering(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let cancel = AtomicBool::new(false);
    let mut group = c.benchmark_group("render");
    for (name, genomes) in sets() {
        let outputs = genomes[0].outputs();
        let nodes: usize = genomes.iter().map(|genome| Program::compile(genome, Coordinates::Unit).live_nodes()).sum();
        let genomes: Vec<&Genome> = genomes.iter().collect();
        for size in [28, 227, 256, 1024] {
            let grid = Grid::new(size, size, Coordinates::Unit).expect("a valid size");
            let mut out = vec![0; genomes.len() * outputs * size * size];
            group.throughput(Throughput::Elements((nodes * size * size) as u64));
            for (model, color) in [("raw", ColorModel::Raw), ("hls", ColorModel::Hls)] {
                if outputs == 1 && color != ColorModel::Raw {
                    continue;
                }
                group.bench_function(BenchmarkId::new(format!("{name}/{model}"), size), |b| {
                    pool.install(|| {
                        b.iter(|| render(&genomes, &grid, color, &mut out, &cancel).expect("not cancelled"));
                    });
                });
            }
        }
    }
}

criterion_group!(benches, compilation, rendering);
criterion_main!(benches);
