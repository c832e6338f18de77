//! Rendering, against an independent double-precision evaluation.

mod common;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

use common::{GO, PAPER, random_genome, reference_genomes};
use neatfool_core::{
    Activation, ColorModel, ConnectionGene, Coordinates, Genome, GenomeError, Grid, Level, MAX_BAND_SIZE, MAX_SIZE,
    NodeGene, Purpose, RenderError, Stream, outputs, render, sums,
};
use proptest::prelude::*;

/// The mathematical definition of an activation.
fn exact(activation: Activation, v: f64) -> f64 {
    match activation {
        Activation::Sine => v.sin(),
        Activation::Sigmoid => 2.0 / (1.0 + (-v).exp()) - 1.0,
        Activation::Gaussian => (-v * v).exp(),
        Activation::Linear => v.clamp(-3.0, 3.0) / 3.0,
        Activation::Cosine => v.cos(),
        Activation::Tanh => v.tanh(),
        Activation::Absolute => v.abs().min(3.0) / 3.0,
        Activation::Relu => v.clamp(0.0, 3.0) / 3.0,
        Activation::Triangle => {
            let t = (v + 1.0).rem_euclid(4.0);
            if t < 2.0 { t - 1.0 } else { 3.0 - t }
        }
    }
}

/// Outputs of a genome by recursion over its definition, in double precision.
fn evaluate(genome: &Genome, x: f64, y: f64, d: f64) -> Vec<f64> {
    fn value(genome: &Genome, id: u32, known: &mut HashMap<u32, f64>) -> f64 {
        if let Some(&v) = known.get(&id) {
            return v;
        }
        let incoming: Vec<_> = genome.connections().iter().filter(|c| c.target == id && c.enabled).collect();
        let sum = incoming.iter().map(|c| f64::from(c.weight) * value(genome, c.source, known)).sum();
        let v = exact(genome.nodes()[genome.node_index(id).unwrap()].activation, sum);
        known.insert(id, v);
        v
    }
    let mut known = HashMap::from([(0, x), (1, y), (2, d), (3, 1.0)]);
    (0..genome.outputs()).map(|output| value(genome, 4 + output as u32, &mut known)).collect()
}

/// Bytes (outputs, height, width) in double precision.
fn exact_bytes(genome: &Genome, width: usize, height: usize, coordinates: Coordinates) -> Vec<u8> {
    let unit = |i: usize, n: usize| if n == 1 { 0.0 } else { -1.0 + i as f64 * 2.0 / (n as f64 - 1.0) };
    let mut bytes = vec![0; genome.outputs() * width * height];
    for row in 0..height {
        for column in 0..width {
            let (ux, uy) = (unit(column, width), unit(row, height));
            let (x, y) = if coordinates == Coordinates::Unit { (ux, uy) } else { (column as f64, row as f64) };
            for (output, v) in evaluate(genome, x, y, ux.hypot(uy)).into_iter().enumerate() {
                bytes[(output * height + row) * width + column] = (v.abs() * 255.0) as u8;
            }
        }
    }
    bytes
}

fn draw(genomes: &[&Genome], grid: &Grid, color: ColorModel) -> Vec<u8> {
    let mut out = vec![0; genomes.len() * genomes[0].outputs() * grid.width() * grid.rows().len()];
    render(genomes, grid, color, &mut out, &GO).unwrap();
    out
}

fn grid(width: usize, height: usize, coordinates: Coordinates) -> Grid {
    Grid::new(width, height, coordinates).unwrap()
}

/// What enters a node at one pixel, in double precision.
fn exact_sum(genome: &Genome, node: u32, inputs: [f64; 4]) -> f64 {
    let incoming = genome.connections().iter().filter(|c| c.target == node && c.enabled);
    let value = |source: u32| match inputs.get(source as usize) {
        Some(&input) => input,
        None => exact(genome.nodes()[genome.node_index(source).unwrap()].activation, exact_sum(genome, source, inputs)),
    };
    incoming.map(|c| f64::from(c.weight) * value(c.source)).sum()
}

/// Share of bytes that differ by more than 1.
fn disagreement(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).filter(|(a, b)| a.abs_diff(**b) > 1).count() as f64 / a.len() as f64
}

#[test]
fn activations_are_accurate() {
    let mut arguments: Vec<f32> = (-200_000..=200_000).map(|i| i as f32 * 1e-4).collect();
    arguments.extend((0..4_000_000).map(|i| (i as f32 - 2_000_000.0) * 0.005));
    let mut stream = Stream::new(1, Purpose::Vary, 0, 0);
    for scale in [1e-3, 1.0, 30.0, 1e3, 1e4] {
        arguments.extend((0..200_000).map(|_| (stream.unit_f32() * 2.0 - 1.0) * scale));
    }
    arguments.extend([0.0, -0.0, 1e-45, -1e-45, f32::MIN_POSITIVE, 1e-38, 1e4, -1e4, 3.0, -3.0]);
    for activation in Activation::ALL {
        for &v in &arguments {
            let (found, expected) = (activation.apply(v), exact(activation, f64::from(v)));
            assert!((f64::from(found) - expected).abs() <= 1e-6, "{activation}({v:e}) = {found}, not {expected}");
            assert!(found.abs() <= 1.0, "{activation}({v:e}) = {found}");
        }
    }
}

#[test]
fn activations_are_bounded_everywhere() {
    let mut stream = Stream::new(2, Purpose::Vary, 0, 0);
    let mut arguments = vec![f32::INFINITY, f32::MAX, 4_194_303.0, 4_194_304.0, 8_388_609.0, 16_777_216.0, 1e9];
    arguments.extend((0..1_000_000).map(|_| f32::from_bits(stream.next_u32())).filter(|v| !v.is_nan()));
    for activation in Activation::ALL {
        for v in arguments.iter().flat_map(|&v| [v, -v]) {
            let found = activation.apply(v);
            assert!(found.is_finite() && found.abs() <= 1.0, "{activation}({v:e}) = {found}");
        }
    }
}

#[test]
fn activation_names_round_trip() {
    for activation in Activation::ALL {
        assert_eq!(activation.name().parse(), Ok(activation));
        assert_eq!(serde_json::to_string(&activation).unwrap(), format!("{:?}", activation.name()));
    }
    assert!("cube".parse::<Activation>().unwrap_err().to_string().contains("cube"));
}

/// A genome whose one output is `activation(weight * x)`.
fn single(activation: Activation, weight: f32) -> Genome {
    let connection = ConnectionGene { innovation: 0, source: 0, target: 4, weight, enabled: true };
    Genome::new(1, vec![NodeGene { id: 4, activation }], vec![connection]).unwrap()
}

#[test]
fn every_activation_is_drawn() {
    for activation in Activation::ALL {
        for weight in [-10.0, -1.3, 0.0, 0.7, 9.9] {
            let genome = single(activation, weight);
            let found = draw(&[&genome], &grid(101, 3, Coordinates::Unit), ColorModel::Raw);
            let expected = exact_bytes(&genome, 101, 3, Coordinates::Unit);
            assert!(found.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1), "{activation} {weight}");
        }
    }
}

const SIZES: [(usize, usize); 9] = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 3), (33, 5), (28, 28), (64, 51), (1100, 6)];

/// Differences beyond 1 are places where a deep genome is steep enough to amplify single-precision rounding.
#[test]
fn pixels_agree_with_double_precision() {
    for coordinates in [Coordinates::Unit, Coordinates::Pixel] {
        for (width, height) in SIZES {
            for seed in 0..12 {
                let genome = random_genome(seed, if seed % 2 == 0 { 3 } else { 1 }, 12, 30, &Activation::ALL);
                let found = draw(&[&genome], &grid(width, height, coordinates), ColorModel::Raw);
                let share = disagreement(&found, &exact_bytes(&genome, width, height, coordinates));
                assert!(share <= 0.003, "{coordinates:?} {width}x{height}, seed {seed}: {share}");
            }
        }
    }
}

#[test]
fn reference_genomes_agree_with_double_precision() {
    for set in ["rgb", "gray"] {
        let genomes = reference_genomes(set);
        for (coordinates, allowed) in [(Coordinates::Unit, 0.001), (Coordinates::Pixel, 0.01)] {
            let shares = genomes.iter().map(|genome| {
                let found = draw(&[genome], &grid(64, 64, coordinates), ColorModel::Raw);
                disagreement(&found, &exact_bytes(genome, 64, 64, coordinates))
            });
            let shares: Vec<f64> = shares.collect();
            let mean = shares.iter().sum::<f64>() / shares.len() as f64;
            println!("{set}, {coordinates:?}: {mean} {shares:?}");
            assert!(mean <= allowed, "{set}, {coordinates:?}: {mean}");
        }
    }
}

/// The vectorised, mirrored picture is bit for bit that of [`outputs`], which looks at one pixel at a time.
#[test]
fn every_instruction_set_gives_the_defined_bytes() {
    for coordinates in [Coordinates::Unit, Coordinates::Pixel] {
        for (width, height) in SIZES {
            for seed in 0..6 {
                let genome = random_genome(seed, if seed % 2 == 0 { 3 } else { 1 }, 20, 60, &Activation::ALL);
                let grid = grid(width, height, coordinates);
                let expected: Vec<u8> = outputs(&genome, &grid, &GO)
                    .unwrap()
                    .into_iter()
                    .map(|v| (f64::from(v).abs() * 255.0) as u8)
                    .collect();
                for level in Level::available() {
                    let found = draw(&[&genome], &grid.clone().with_level(level), ColorModel::Raw);
                    assert!(found == expected, "{coordinates:?} {width}x{height}, seed {seed}, {}", level.name());
                }
            }
        }
    }
}

#[test]
fn colour_is_the_same_for_every_instruction_set() {
    let genome = random_genome(5, 3, 10, 25, &PAPER);
    let grid = grid(97, 41, Coordinates::Unit);
    for color in [ColorModel::Hls, ColorModel::Hsv] {
        let expected = draw(&[&genome], &grid, color);
        for level in Level::available() {
            assert!(draw(&[&genome], &grid.clone().with_level(level), color) == expected, "{color:?} {}", level.name());
        }
    }
}

#[test]
fn threads_and_batches_do_not_matter() {
    let genomes: Vec<Genome> = (0..9).map(|seed| random_genome(seed, 3, 3 * seed as usize, 40, &PAPER)).collect();
    let genomes: Vec<&Genome> = genomes.iter().collect();
    for (width, height) in [(28, 28), (227, 227), (1500, 33)] {
        let grid = grid(width, height, Coordinates::Unit);
        let in_pool = |threads: usize, genomes: &[&Genome]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| draw(genomes, &grid, ColorModel::Hls))
        };
        let expected = in_pool(1, &genomes);
        for threads in [2, 7] {
            assert!(in_pool(threads, &genomes) == expected, "{threads} threads at {width}x{height}");
        }
        let one_by_one: Vec<u8> = genomes.iter().flat_map(|genome| in_pool(3, &[genome])).collect();
        assert!(one_by_one == expected, "one by one at {width}x{height}");
        let first = height / 3;
        let band = Grid::band(width, height, first..height - 1, width, height, Coordinates::Unit).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let found = pool.install(|| draw(&genomes, &band, ColorModel::Hls));
        assert!(found == rows(&expected, width, height, first..height - 1), "a band at {width}x{height}");
    }
}

#[test]
fn resampling_keeps_the_picture() {
    let genome = random_genome(3, 3, 8, 20, &PAPER);
    for coordinates in [Coordinates::Pixel, Coordinates::Unit] {
        let home = draw(&[&genome], &grid(29, 17, coordinates), ColorModel::Raw);
        let same = Grid::resampled(29, 17, 29, 17, coordinates).unwrap();
        assert_eq!(draw(&[&genome], &same, ColorModel::Raw), home);
        // Twice the intervals: every second pixel is one of the home picture.
        let large = draw(&[&genome], &Grid::resampled(57, 33, 29, 17, coordinates).unwrap(), ColorModel::Raw);
        for channel in 0..3 {
            for row in 0..17 {
                for column in 0..29 {
                    let found = large[(channel * 33 + 2 * row) * 57 + 2 * column];
                    assert!(found.abs_diff(home[(channel * 17 + row) * 29 + column]) <= 1);
                }
            }
        }
    }
}

#[test]
fn sums_of_many_terms() {
    let hidden = 23;
    let nodes = (4..=4 + hidden).map(|id| NodeGene { id, activation: Activation::Sine }).collect();
    let connection =
        |innovation, source, target, weight| ConnectionGene { innovation, source, target, weight, enabled: true };
    let mut connections = Vec::new();
    for k in 0..hidden {
        connections.push(connection(2 * k, k % 4, 5 + k, 0.3 * k as f32 - 3.0));
        connections.push(connection(2 * k + 1, 5 + k, 4, 0.2));
    }
    let genome = Genome::new(1, nodes, connections).unwrap();
    let found = draw(&[&genome], &grid(21, 22, Coordinates::Unit), ColorModel::Raw);
    let expected = exact_bytes(&genome, 21, 22, Coordinates::Unit);
    assert!(found.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1));
}

#[test]
fn sums_are_what_enters_a_node() {
    let (width, height) = (14, 9);
    for (seed, coordinates) in [(1, Coordinates::Unit), (2, Coordinates::Pixel)] {
        let genome = random_genome(seed, 3, 4, 20, &[Activation::Linear, Activation::Gaussian]);
        for node in genome.nodes() {
            let found = sums(&genome, node.id, &grid(width, height, coordinates), &GO).unwrap();
            for (i, found) in found.into_iter().enumerate() {
                let (row, column) = (i / width, i % width);
                let unit = |i: usize, n: usize| -1.0 + i as f64 * 2.0 / (n as f64 - 1.0);
                let (ux, uy) = (unit(column, width), unit(row, height));
                let (x, y) = if coordinates == Coordinates::Unit { (ux, uy) } else { (column as f64, row as f64) };
                let expected = exact_sum(&genome, node.id, [x, y, ux.hypot(uy), 1.0]);
                let error = (f64::from(found) - expected).abs();
                assert!(error <= 1e-4 * expected.abs().max(1.0), "node {} at {row}, {column}: {found}", node.id);
            }
        }
    }
    // The numbers are those of the sum, not of what the node makes of it.
    let steep = single(Activation::Linear, 10.0);
    assert_eq!(sums(&steep, 4, &grid(3, 1, Coordinates::Pixel), &GO), Ok(vec![0.0, 10.0, 20.0]));
    for unknown in [0, 3, 5, u32::MAX] {
        let error = sums(&steep, unknown, &grid(3, 1, Coordinates::Unit), &GO).unwrap_err();
        assert_eq!(error, RenderError::Genome(GenomeError::UnknownNode { id: unknown }));
    }
}

#[test]
fn silenced_nodes_are_zero() {
    let genome = random_genome(4, 3, 6, 24, &PAPER);
    for node in genome.nodes() {
        let silenced = genome.silenced(node.id).unwrap();
        silenced.validate().unwrap();
        let found = sums(&silenced, node.id, &grid(5, 5, Coordinates::Unit), &GO).unwrap();
        assert_eq!(found, vec![0.0; 25]);
        let expected = exact_bytes(&silenced, 40, 40, Coordinates::Unit);
        let found = draw(&[&silenced], &grid(40, 40, Coordinates::Unit), ColorModel::Raw);
        assert!(disagreement(&found, &expected) <= 0.003);
        if genome.is_output(node.id) {
            let plane = (node.id as usize - 4) * 1600;
            assert!(found[plane..plane + 1600].iter().all(|&byte| byte == 0));
        }
    }
    assert_eq!(genome.silenced(2), Err(GenomeError::UnknownNode { id: 2 }));
}

/// The codes are in checkpoints: none of these may ever change.
#[test]
fn activation_codes_are_fixed() {
    let names = ["sine", "sigmoid", "gaussian", "linear", "cosine", "tanh", "absolute", "relu", "triangle"];
    assert_eq!(Activation::ALL.len(), names.len());
    for (code, name) in (0..).zip(names) {
        assert_eq!(Activation::from_code(code).unwrap().name(), name);
        assert_eq!(name.parse::<Activation>().unwrap().code(), code);
    }
    assert!(Activation::from_code(9).unwrap_err().to_string().contains("no activation 9"));
}

#[test]
fn bad_requests_are_refused() {
    for (width, height) in [(0, 5), (5, 0), (MAX_SIZE + 1, 1), (1, usize::MAX)] {
        assert_eq!(
            Grid::new(width, height, Coordinates::Unit).unwrap_err(),
            RenderError::Size { width, height, most: MAX_SIZE }
        );
    }
    for rows in [3..3, 0..6, 5..9] {
        let error = Grid::band(4, 5, rows.clone(), 4, 5, Coordinates::Unit).unwrap_err();
        assert_eq!(error, RenderError::Rows { first: rows.start, end: rows.end, height: 5 });
    }
    assert!(Grid::band(MAX_BAND_SIZE, MAX_BAND_SIZE, 0..1, 4, 5, Coordinates::Unit).is_ok());
    for (size, home, most) in [(MAX_BAND_SIZE + 1, 4, MAX_BAND_SIZE), (4, MAX_SIZE + 1, MAX_SIZE)] {
        let error = Grid::band(size, 5, 0..1, home, 5, Coordinates::Unit).unwrap_err();
        assert_eq!(error, RenderError::Size { width: size.max(home), height: 5, most });
    }
    let (gray, colour) = (random_genome(0, 1, 2, 6, &PAPER), random_genome(0, 3, 2, 6, &PAPER));
    let grid = grid(4, 4, Coordinates::Unit);
    let mut out = vec![0; 64];
    assert_eq!(
        render(&[&gray, &gray, &colour], &grid, ColorModel::Raw, &mut out, &GO),
        Err(RenderError::Outputs { index: 2, expected: 1, found: 3 })
    );
    assert_eq!(
        render(&[&colour], &grid, ColorModel::Raw, &mut out, &GO),
        Err(RenderError::Length { expected: 48, found: 64 })
    );
    assert_eq!(render(&[], &grid, ColorModel::Raw, &mut [], &GO), Ok(()));
    assert_eq!(
        render(&[&gray], &grid, ColorModel::Raw, &mut out[..16], &AtomicBool::new(true)),
        Err(RenderError::Cancelled)
    );
    assert_eq!(outputs(&gray, &grid, &AtomicBool::new(true)), Err(RenderError::Cancelled));
}

/// `OpenCV`'s 8-bit hue to a position on the colour circle, in sixths.
fn sixths(h: u8) -> f64 {
    (f64::from(h) * 2.0).rem_euclid(360.0) / 60.0
}

fn hls_exact(h: u8, l: u8, s: u8) -> [f64; 3] {
    let (l, s) = (f64::from(l) / 255.0, f64::from(s) / 255.0);
    let p2 = if l <= 0.5 { l * (1.0 + s) } else { l + s - l * s };
    let p1 = 2.0 * l - p2;
    [2.0, 0.0, 4.0].map(|shift| {
        let t = (sixths(h) + shift + 6.0).rem_euclid(6.0);
        255.0
            * (p1
                + (p2 - p1)
                    * [t, 1.0, 4.0 - t, 0.0][if t < 1.0 {
                        0
                    } else if t < 3.0 {
                        1
                    } else if t < 4.0 {
                        2
                    } else {
                        3
                    }])
    })
}

fn hsv_exact(h: u8, s: u8, v: u8) -> [f64; 3] {
    let (s, v) = (f64::from(s) / 255.0, f64::from(v) / 255.0);
    let sector = sixths(h).floor();
    let f = sixths(h) - sector;
    let [p, q, t] = [1.0 - s, 1.0 - s * f, 1.0 - s * (1.0 - f)].map(|factor| 255.0 * v * factor);
    let v = 255.0 * v;
    [[v, t, p], [q, v, p], [p, v, t], [p, q, v], [t, p, v], [v, p, q]][sector as usize]
}

type Exact = fn(u8, u8, u8) -> [f64; 3];

/// Colours drawn by a genome of three outputs that do not depend on the pixel.
#[test]
fn colours_follow_the_formulas() {
    // Linear outputs clamp(v)/3 of a bias weight: every byte b comes from (b + 1/2) / 255.
    let constant = |bytes: [u8; 3]| {
        let nodes = (4..7).map(|id| NodeGene { id, activation: Activation::Linear }).collect();
        let connections = bytes.iter().zip(4..).map(|(&b, target)| ConnectionGene {
            innovation: target,
            source: 3,
            target,
            weight: (f32::from(b) + 0.5).min(255.0) / 255.0 * 3.0,
            enabled: true,
        });
        Genome::new(3, nodes, connections.collect()).unwrap()
    };
    let grid = grid(1, 1, Coordinates::Unit);
    let levels: Vec<u8> = (0..=255).step_by(15).chain([1, 2, 126, 127, 128, 129, 253, 254]).collect();
    let mut inexact = 0;
    let mut count = 0;
    for h in 0..=255 {
        let genomes: Vec<_> = levels.iter().flat_map(|&a| levels.iter().map(move |&b| [h, a, b])).collect();
        let drawn: Vec<_> = genomes.iter().map(|&bytes| constant(bytes)).collect();
        let drawn: Vec<_> = drawn.iter().collect();
        for (color, formula) in [(ColorModel::Hls, hls_exact as Exact), (ColorModel::Hsv, hsv_exact)] {
            for (found, [h, a, b]) in draw(&drawn, &grid, color).chunks_exact(3).zip(&genomes) {
                for (found, expected) in found.iter().zip(formula(*h, *a, *b)) {
                    let error = (f64::from(*found) - expected.round()).abs();
                    assert!(error <= 1.0, "{color:?} {h} {a} {b}: {found}, not {expected}");
                    inexact += u32::from(error > 0.0);
                    count += 1;
                }
            }
        }
    }
    assert!(f64::from(inexact) < 0.05 * f64::from(count), "{inexact} of {count} are rounded the other way");
}

#[test]
fn gray_ignores_the_colour_model() {
    let genome = random_genome(8, 1, 6, 14, &PAPER);
    let grid = grid(19, 8, Coordinates::Pixel);
    assert_eq!(draw(&[&genome], &grid, ColorModel::Hls), draw(&[&genome], &grid, ColorModel::Raw));
}

fn genomes() -> impl Strategy<Value = Genome> {
    (any::<u64>(), prop_oneof![Just(1_usize), Just(3)], 0_usize..40, 0_usize..120).prop_map(
        |(seed, outputs, hidden, connections)| random_genome(seed, outputs, hidden, connections, &Activation::ALL),
    )
}

/// Where bands that make up a picture of some height end.
fn ends(height: usize) -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::btree_set(1..=height, 0..6).prop_map(move |mut ends| {
        ends.insert(height);
        ends.into_iter().collect()
    })
}

/// Some rows of every plane of a picture.
fn rows<T: Copy>(planes: &[T], width: usize, height: usize, rows: Range<usize>) -> Vec<T> {
    planes
        .chunks_exact(width * height)
        .flat_map(|plane| &plane[rows.start * width..rows.end * width])
        .copied()
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_are_those_of_the_outputs(genome in genomes(), width in 1_usize..40, height in 1_usize..40, pixel: bool) {
        let coordinates = if pixel { Coordinates::Pixel } else { Coordinates::Unit };
        let grid = grid(width, height, coordinates);
        let outputs = outputs(&genome, &grid, &GO).unwrap();
        prop_assert!(outputs.iter().all(|v| v.abs() <= 1.0));
        let expected: Vec<u8> = outputs.into_iter().map(|v| (f64::from(v).abs() * 255.0) as u8).collect();
        prop_assert_eq!(draw(&[&genome], &grid, ColorModel::Raw), expected);
    }

    #[test]
    fn bands_are_those_of_the_whole(
        genome in genomes(),
        (height, ends) in (1_usize..40).prop_flat_map(|height| (Just(height), ends(height))),
        width in prop_oneof![1_usize..40, 1025_usize..1030],
        home in (1_usize..40, 1_usize..40),
        pixel: bool,
    ) {
        let coordinates = if pixel { Coordinates::Pixel } else { Coordinates::Unit };
        let whole = Grid::resampled(width, height, home.0, home.1, coordinates).unwrap();
        let color = if genome.outputs() == 3 { ColorModel::Hls } else { ColorModel::Raw };
        let (expected, values) = (draw(&[&genome], &whole, color), outputs(&genome, &whole, &GO).unwrap());
        let mut first = 0;
        for end in ends {
            let band = Grid::band(width, height, first..end, home.0, home.1, coordinates).unwrap();
            prop_assert_eq!(band.rows(), first..end);
            let found = draw(&[&genome], &band, color);
            prop_assert!(found == rows(&expected, width, height, first..end), "rows {} to {}", first, end);
            prop_assert_eq!(outputs(&genome, &band, &GO).unwrap(), rows(&values, width, height, first..end));
            first = end;
        }
    }

    #[test]
    fn dead_nodes_and_disabled_connections_draw_nothing(genome in genomes(), seed: u64) {
        let grid = grid(30, 21, Coordinates::Unit);
        let expected = draw(&[&genome], &grid, ColorModel::Raw);
        let mut stream = Stream::new(seed, Purpose::Vary, 0, 0);
        let mut nodes = genome.nodes().to_vec();
        let mut connections = genome.connections().to_vec();
        let id = nodes.iter().map(|n| n.id).max().unwrap() + 1;
        let innovation = connections.iter().map(|c| c.innovation + 1).max().unwrap_or(0);
        nodes.push(NodeGene { id, activation: Activation::Sine });
        let sources: Vec<u32> = (0..4).chain(genome.nodes()[genome.outputs()..].iter().map(|n| n.id)).collect();
        let source = sources[stream.below(sources.len() as u32) as usize];
        connections.push(ConnectionGene { innovation, source, target: id, weight: 3.0, enabled: true });
        connections.push(ConnectionGene { innovation: innovation + 1, source: id, target: 4, weight: 3.0, enabled: false });
        let padded = Genome::new(genome.outputs(), nodes, connections).unwrap();
        prop_assert_eq!(draw(&[&padded], &grid, ColorModel::Raw), expected);
    }
}
