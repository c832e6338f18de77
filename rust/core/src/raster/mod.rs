//! From genomes to pixels. Each module uses those before it in this list: grid, tile, step, program, kernel, color, draw.

pub(crate) mod color;
mod draw;
mod grid;
mod kernel;
mod program;
mod step;
mod tile;

pub use crate::raster::color::ColorModel;
pub use crate::raster::draw::{outputs, render, sums};
pub use crate::raster::grid::{Coordinates, Grid, MAX_BAND_SIZE, MAX_SIZE};
pub use crate::raster::program::Program;
