//! Rendering genomes to bytes.

#![allow(clippy::inline_always, reason = "loops are vectorised only with all that they call inside them")]

use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::error::RenderError;
use crate::genome::Genome;
use crate::raster::color::{ColorModel, ToRgb};
use crate::raster::grid::{Coordinates, Grid};
use crate::raster::kernel::Memory;
use crate::raster::program::{Compiler, Program, Shown};
use crate::raster::step::{IMAGES, input};
use crate::raster::tile::{Block, TILE, Tile};
use crate::simd::Kernel;

/// Tiles that are worth the while of another thread.
const TILES_PER_TASK: usize = 8;

/// Draws genomes into `out`, an array of (genomes, outputs, rows, width) bytes, on the current rayon pool.
///
/// A byte is `trunc(|output| x 255)`; colour genomes go through `color` afterwards, gray ones never do. The bytes do not
/// depend on the number of threads, the instruction set or how genomes are split into calls.
///
/// # Errors
/// - [`RenderError::Outputs`] if the genomes differ in their number of outputs;
/// - [`RenderError::Length`] if `out` has another size;
/// - [`RenderError::Cancelled`] soon after `cancel` is set, leaving `out` half drawn.
pub fn render(
    genomes: &[&Genome],
    grid: &Grid,
    color: ColorModel,
    out: &mut [u8],
    cancel: &AtomicBool,
) -> Result<(), RenderError> {
    let outputs = genomes.first().map_or(1, |genome| genome.outputs());
    if let Some(index) = genomes.iter().position(|genome| genome.outputs() != outputs) {
        return Err(RenderError::Outputs { index, expected: outputs, found: genomes[index].outputs() });
    }
    let size = outputs * grid.width * grid.rows.len();
    if genomes.len().checked_mul(size) != Some(out.len()) {
        return Err(RenderError::Length { expected: genomes.len().saturating_mul(size), found: out.len() });
    }
    let color = if outputs == 3 { color } else { ColorModel::Raw };
    genomes.par_iter().zip(out.par_chunks_exact_mut(size)).for_each(|(genome, out)| {
        if !cancel.load(Ordering::Relaxed) {
            draw(genome, grid, color, out, cancel);
        }
    });
    if cancel.load(Ordering::Relaxed) { Err(RenderError::Cancelled) } else { Ok(()) }
}

/// The outputs of a genome, (outputs, rows, width), computed one pixel at a time: the definition of what [`render`] turns
/// into bytes. Runs on the current rayon pool.
///
/// # Errors
/// [`RenderError::Cancelled`] soon after `cancel` is set.
pub fn outputs(genome: &Genome, grid: &Grid, cancel: &AtomicBool) -> Result<Vec<f32>, RenderError> {
    evaluate(&Program::compile(genome, grid.coordinates), grid, cancel)
}

/// What enters an output or hidden node before its activation, (rows, width): the sum of weights times sources in the order
/// of the innovations, within ±4,194,303. Runs on the current rayon pool.
///
/// # Errors
/// [`RenderError::Genome`] if there is no such node; [`RenderError::Cancelled`] soon after `cancel` is set.
pub fn sums(genome: &Genome, node: u32, grid: &Grid, cancel: &AtomicBool) -> Result<Vec<f32>, RenderError> {
    let summed = genome.with_inputs_of(node)?;
    evaluate(&Program::compile_shown(&summed, grid.coordinates, Shown::Sums), grid, cancel)
}

/// Runs a program, one pixel after the other.
fn evaluate(program: &Program, grid: &Grid, cancel: &AtomicBool) -> Result<Vec<f32>, RenderError> {
    let (width, height) = (grid.width, grid.height);
    let size = width * grid.rows.len();
    let mut out = vec![0.0; program.outputs * size];
    let mut planes: Vec<_> = out.chunks_exact_mut(size).map(|plane| plane.chunks_exact_mut(width)).collect();
    let lines: Vec<Vec<&mut [f32]>> =
        grid.rows.clone().map(|_| planes.iter_mut().filter_map(Iterator::next).collect()).collect();
    lines.into_par_iter().zip(grid.rows.clone()).try_for_each_init(
        || vec![0.0_f32; program.registers],
        |registers, (mut lines, row)| {
            if cancel.load(Ordering::Relaxed) {
                return Err(RenderError::Cancelled);
            }
            for column in 0..width {
                let quarter = (row.min(height - 1 - row) - grid.quarter_rows.start, column.min(width - 1 - column));
                registers[input::X as usize] = grid.x[column];
                registers[input::Y as usize] = grid.y[row];
                registers[input::D as usize] = grid.d[quarter.0 * width.div_ceil(2) + quarter.1];
                registers[input::X_MIRRORED as usize] = grid.x[width - 1 - column];
                registers[input::Y_MIRRORED as usize] = grid.y[height - 1 - row];
                for step in program.reversed_steps.iter().rev() {
                    let terms = step.sources.iter().zip(step.weights).take(step.terms as usize);
                    let sum = terms
                        .fold(step.start, |sum, (&source, weight)| registers[source as usize].mul_add(weight, sum));
                    let value = step.curve.at(sum);
                    let target = step.target as usize;
                    if !step.output {
                        registers[target] = value;
                    } else if let Some(line) = lines.get_mut(target) {
                        line[column] = value;
                    }
                }
            }
            Ok(())
        },
    )?;
    Ok(out)
}

/// Draws one genome into (outputs, height, width) bytes, sharing the rows of a large picture among threads.
fn draw(genome: &Genome, grid: &Grid, color: ColorModel, out: &mut [u8], cancel: &AtomicBool) {
    with_workspace(|workspace| {
        let Workspace { compiler, program, scratch } = workspace;
        compiler.compile(genome, grid.coordinates, Shown::Activations, program);
        let rows = grid.quarter_rows.len();
        let (tile_columns, tile_rows) = Tile::shape(grid);
        let tiles_across = grid.width.div_ceil(2).div_ceil(tile_columns);
        let tiles = tiles_across * rows.div_ceil(tile_rows);
        if tiles < 2 * TILES_PER_TASK || rayon::current_num_threads() == 1 {
            for band in bands(out, grid, rows) {
                draw_band(program, grid, color, band, scratch, cancel);
            }
        } else {
            let rows = tile_rows * TILES_PER_TASK.div_ceil(tiles_across);
            let bands: Vec<_> = bands(out, grid, rows).collect();
            let program = &*program;
            bands.into_par_iter().for_each(|band| {
                with_workspace(|Workspace { scratch, .. }| {
                    draw_band(program, grid, color, band, scratch, cancel);
                });
            });
        }
    });
}

/// Rows of the upper half of a picture and their mirror images in the lower half, as far as they are drawn.
#[derive(Default)]
struct Band<'a> {
    /// First of the rows of the upper half.
    row: usize,
    rows: usize,
    top: [&'a mut [u8]; 3],
    /// The mirror images, in the order of the picture: of all rows or none, but the middle row of an odd height has none.
    bottom: [&'a mut [u8]; 3],
}

/// Splits the planes of what is drawn into bands of at most `rows` rows of the picture's upper half.
fn bands<'a>(out: &'a mut [u8], grid: &Grid, rows: usize) -> impl Iterator<Item = Band<'a>> {
    let width = grid.width;
    let (top_rows, bottom_rows) = grid.halves();
    let mut planes = out.chunks_exact_mut(width * grid.rows.len());
    let mut halves: [_; 3] = std::array::from_fn(|_| {
        planes.next().unwrap_or_default().split_at_mut_checked(top_rows.len() * width).unwrap_or_default()
    });
    let Range { start: mut row, end } = grid.quarter_rows.clone();
    // Where both a row and its mirror image are drawn, if only one of them was before.
    let both = top_rows.start.max(bottom_rows.start);
    std::iter::from_fn(move || {
        if row == end {
            return None;
        }
        let until = if row < both { both.min(end) } else { end };
        let mut band = Band { row, rows: rows.min(until - row), ..Band::default() };
        let has_top = top_rows.contains(&row);
        let has_bottom = bottom_rows.contains(&row);
        for (channel, (top, bottom)) in halves.iter_mut().enumerate() {
            let length = |has: bool, half: usize| if has { (band.rows * width).min(half) } else { 0 };
            let (upper, lower) = (length(has_top, top.len()), length(has_bottom, bottom.len()));
            band.top[channel] = top.split_off_mut(..upper).unwrap_or_default();
            let rest = bottom.len() - lower;
            band.bottom[channel] = bottom.split_off_mut(rest..).unwrap_or_default();
        }
        row += band.rows;
        Some(band)
    })
}

/// What a thread needs to draw, kept from one genome to the next.
#[derive(Default)]
struct Workspace {
    compiler: Compiler,
    program: Program,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    memory: Memory,
    rgb: [Block<u8>; 3],
}

/// Lends the thread a workspace. While it waits for the bands of one picture a thread may start on another, so there can be
/// several.
fn with_workspace<R>(work: impl FnOnce(&mut Workspace) -> R) -> R {
    thread_local! {
        static WORKSPACES: RefCell<Vec<Box<Workspace>>> = const { RefCell::new(Vec::new()) };
    }
    let mut workspace = WORKSPACES.with_borrow_mut(Vec::pop).unwrap_or_default();
    let result = work(&mut workspace);
    WORKSPACES.with_borrow_mut(|workspaces| workspaces.push(workspace));
    result
}

/// Draws a band.
fn draw_band(
    program: &Program,
    grid: &Grid,
    color: ColorModel,
    mut band: Band,
    scratch: &mut Scratch,
    cancel: &AtomicBool,
) {
    let Scratch { memory, rgb } = scratch;
    let half_width = grid.width.div_ceil(2);
    let (tile_columns, tile_rows) = Tile::shape(grid);
    let (steps, x_steps) = program.reversed_steps.split_at(program.reversed_steps.len() - program.x_steps);
    memory.reserve(program.registers);
    for column in (0..half_width).step_by(tile_columns) {
        let columns = tile_columns.min(half_width - column);
        let tallest = Tile { column, columns, row: band.row, rows: tile_rows.min(band.rows) };
        grid.level.run(SetX { grid, tile: tallest, registers: &mut memory.registers });
        memory.run(grid.level, x_steps, tallest.length());
        for row in (0..band.rows).step_by(tile_rows) {
            if cancel.load(Ordering::Relaxed) {
                return;
            }
            let tile = Tile { row: band.row + row, rows: tile_rows.min(band.rows - row), ..tallest };
            grid.level.run(SetYAndD { grid, tile, registers: &mut memory.registers });
            memory.run(grid.level, steps, tile.length());
            for image in 0..IMAGES {
                let plane =
                    |output: usize| &memory.planes[program.shown[output][image] as usize * program.outputs + output].0;
                let mut planes = std::array::from_fn(|output| plane(output.min(program.outputs - 1)));
                if color != ColorModel::Raw {
                    grid.level.run(ToRgb { color, planes, length: tile.length(), rgb });
                    planes = rgb.each_ref().map(|plane| &plane.0);
                }
                let planes = &planes[..program.outputs];
                grid.level.run(Show { planes, image, tile, width: grid.width, band: &mut band });
            }
        }
    }
}

type Registers = [Box<Block<f32>>];

/// Sets x, the same in every row.
struct SetX<'a> {
    grid: &'a Grid,
    tile: Tile,
    registers: &'a mut Registers,
}

impl Kernel for SetX<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { grid, tile: Tile { column, columns, rows, .. }, registers } = self;
        let mut set = |register: u32, x: &[f32], reversed: bool| {
            for line in registers[register as usize].0[..columns * rows].chunks_exact_mut(columns) {
                copy(line, x, reversed);
            }
        };
        set(input::X, &grid.x[column..column + columns], false);
        if grid.coordinates == Coordinates::Pixel {
            let end = grid.width - column;
            set(input::X_MIRRORED, &grid.x[end - columns..end], true);
        }
    }
}

/// Sets y, the same in every column, and d.
struct SetYAndD<'a> {
    grid: &'a Grid,
    tile: Tile,
    registers: &'a mut Registers,
}

impl Kernel for SetYAndD<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { grid, tile: Tile { column, columns, row, rows }, registers } = self;
        let mut set_y = |register: u32, y: &dyn Fn(usize) -> f32| {
            let lines = registers[register as usize].0[..columns * rows].chunks_exact_mut(columns);
            for (line, row) in lines.zip(row..) {
                line.fill(y(row));
            }
        };
        set_y(input::Y, &|row| grid.y[row]);
        if grid.coordinates == Coordinates::Pixel {
            set_y(input::Y_MIRRORED, &|row| grid.y[grid.height - 1 - row]);
        }
        let half_width = grid.width.div_ceil(2);
        let first = row - grid.quarter_rows.start;
        let d = &mut registers[input::D as usize].0[..columns * rows];
        if columns == half_width {
            d.copy_from_slice(&grid.d[first * columns..][..columns * rows]);
        } else {
            for (line, row) in d.chunks_exact_mut(columns).zip(first..) {
                line.copy_from_slice(&grid.d[row * half_width + column..][..columns]);
            }
        }
    }
}

/// Writes a mirror image of a tile to the picture.
struct Show<'a, 'b> {
    planes: &'a [&'a [u8; TILE]],
    image: usize,
    tile: Tile,
    width: usize,
    band: &'a mut Band<'b>,
}

impl Kernel for Show<'_, '_> {
    #[inline(always)]
    fn run(self) {
        let Self { planes, image, tile: Tile { column, columns, row, rows }, width, band } = self;
        let (left_right, top_bottom) = (image & 1 != 0, image & 2 != 0);
        let first = if left_right { width - column - columns } else { column };
        let halves = if top_bottom { &mut band.bottom } else { &mut band.top };
        for (plane, half) in planes.iter().zip(halves) {
            let half_rows = half.len() / width;
            for (line, i) in plane.chunks_exact(columns).zip(row - band.row..row - band.row + rows) {
                // One of the halves may not be drawn, and the middle row of an odd height has no mirror image.
                let at = if top_bottom { half_rows.checked_sub(i + 1) } else { (i < half_rows).then_some(i) };
                let Some(at) = at else { break };
                copy(&mut half[at * width + first..][..columns], line, left_right);
            }
        }
    }
}

#[inline(always)]
fn copy<T: Copy>(target: &mut [T], source: &[T], reversed: bool) {
    if !reversed {
        target.copy_from_slice(source);
        return;
    }
    // Chunks of a fixed length are reversed in a few shuffles.
    let (chunks, rest) = target.as_chunks_mut::<32>();
    let (source_rest, source_chunks) = source.as_rchunks::<32>();
    for (to, from) in chunks.iter_mut().zip(source_chunks.iter().rev()) {
        *to = *from;
        to.reverse();
    }
    for (to, from) in rest.iter_mut().zip(source_rest.iter().rev()) {
        *to = *from;
    }
}
