//! What is computed at a time: some rows and columns of pixels, one value for each.

use crate::raster::grid::Grid;

/// Most pixels that a step computes at a time: few enough that the registers of a usual program stay in the nearest cache.
pub(crate) const TILE: usize = 512;
/// Lengths of tiles are rounded up to a multiple of this, so that vector loops leave no pixel over.
pub(crate) const LANES: usize = 8;

/// One value for every pixel of a tile, aligned to the lines of the cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Block<T>(pub(crate) [T; TILE]);

impl<T: Copy + Default> Default for Block<T> {
    fn default() -> Self {
        Self([T::default(); TILE])
    }
}

/// Some rows and columns of the upper left quarter.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    pub(crate) column: usize,
    pub(crate) columns: usize,
    pub(crate) row: usize,
    pub(crate) rows: usize,
}

impl Tile {
    /// Most columns and rows of a tile of a grid.
    pub(crate) fn shape(grid: &Grid) -> (usize, usize) {
        let columns = grid.width().div_ceil(2).min(TILE);
        (columns, (TILE / columns).min(grid.height().div_ceil(2)))
    }

    /// Length of the loops over the tile.
    pub(crate) fn length(self) -> usize {
        (self.columns * self.rows).next_multiple_of(LANES)
    }
}
