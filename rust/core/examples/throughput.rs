//! Genomes rendered per second, as one JSON object.
//!
//!     throughput [--set rgb|gray] [--size PX] [--threads N] [--seconds S] [--color raw|hls|hsv] [--coordinates unit|pixel]
//!
//! Renders the genomes of `benches/genomes_rgb.json` or `benches/genomes_gray.json` again and again, compiling them every time.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use neatfool_core::{ColorModel, Coordinates, Grid, Level, RenderError, render};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.and_then(|i| arguments.get(i + 1)).map_or(default.to_string(), Clone::clone)
    };
    let set = option("--set", "rgb");
    let size: usize = option("--size", "256").parse()?;
    let threads: usize = option("--threads", "1").parse()?;
    let seconds: f64 = option("--seconds", "1").parse()?;
    let color = match &*option("--color", "raw") {
        "hls" => ColorModel::Hls,
        "hsv" => ColorModel::Hsv,
        _ => ColorModel::Raw,
    };
    let coordinates = if option("--coordinates", "unit") == "pixel" { Coordinates::Pixel } else { Coordinates::Unit };

    let genomes = common::reference_genomes(&set);
    let genomes: Vec<_> = genomes.iter().collect();
    let grid = Grid::new(size, size, coordinates)?;
    let mut out = vec![0; genomes.len() * genomes[0].outputs() * size * size];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| {
        let mut once = |repetitions: usize| -> Result<f64, RenderError> {
            let start = Instant::now();
            for _ in 0..repetitions {
                render(&genomes, &grid, color, &mut out, &common::GO)?;
            }
            Ok(start.elapsed().as_secs_f64())
        };
        let repetitions = (0.1 / once(1)?).ceil() as usize;
        once(repetitions)?;
        let mut rates = Vec::new();
        let end = Instant::now();
        while end.elapsed().as_secs_f64() < seconds || rates.len() < 5 {
            rates.push((genomes.len() * repetitions) as f64 / once(repetitions)?);
        }
        rates.sort_by(f64::total_cmp);
        println!(
            "{{\"set\": \"{set}\", \"size\": {size}, \"threads\": {threads}, \"genomes_per_second\": {:.1}, \
             \"min\": {:.1}, \"max\": {:.1}, \"simd\": \"{}\"}}",
            rates[rates.len() / 2],
            rates[0],
            rates[rates.len() - 1],
            Level::active()?.name()
        );
        Ok(())
    })
    .map_err(|e: RenderError| e.into())
}
