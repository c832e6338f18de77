//! The pixels of a picture and their coordinates.

use std::ops::Range;

use crate::error::RenderError;
use crate::simd::Level;

/// Largest width or height of a picture.
pub const MAX_SIZE: usize = 16_384;
/// Largest width or height of a picture that is drawn a band of rows at a time.
pub const MAX_BAND_SIZE: usize = 4 * MAX_SIZE;

/// What the inputs x and y of a genome are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// Column and row, from 0.
    Pixel,
    /// From -1 to 1 (0 for a single column or row).
    Unit,
}

/// The pixels of a picture, or of a band of its rows: their inputs x, y and d.
///
/// d is the distance from the centre in coordinates that run from -1 to 1, whatever x and y are.
#[derive(Clone, Debug)]
pub struct Grid {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Those that are drawn.
    pub(super) rows: Range<usize>,
    pub(super) coordinates: Coordinates,
    pub(super) level: Level,
    pub(super) x: Vec<f32>,
    pub(super) y: Vec<f32>,
    /// Of the upper left quarter, middle column and row included; only of `quarter_rows`.
    pub(super) d: Vec<f32>,
    /// Rows of the upper half, its middle included, that are drawn themselves or mirrored.
    pub(super) quarter_rows: Range<usize>,
}

impl Grid {
    /// A picture of `width` x `height` pixels.
    ///
    /// # Errors
    /// [`RenderError::Size`] unless both are 1 to [`MAX_SIZE`]; [`RenderError::Simd`] if `NEATFOOL_SIMD` is wrong.
    pub fn new(width: usize, height: usize, coordinates: Coordinates) -> Result<Self, RenderError> {
        Self::resampled(width, height, width, height, coordinates)
    }

    /// The picture that a genome draws on `home_width` x `home_height` pixels, drawn on `width` x `height`: pixel
    /// coordinates still run to `home_width - 1` and `home_height - 1`. Unit coordinates do not depend on the home size.
    ///
    /// # Errors
    /// Those of [`Grid::new`], for either size.
    pub fn resampled(
        width: usize,
        height: usize,
        home_width: usize,
        home_height: usize,
        coordinates: Coordinates,
    ) -> Result<Self, RenderError> {
        check_size(width, height, MAX_SIZE)?;
        Self::band(width, height, 0..height, home_width, home_height, coordinates)
    }

    /// Some rows of the picture of [`Grid::resampled`]: the bytes are those that they have in the whole.
    ///
    /// # Errors
    /// [`RenderError::Size`] unless width and height are 1 to [`MAX_BAND_SIZE`], and those of home 1 to [`MAX_SIZE`];
    /// [`RenderError::Rows`] if there are no such rows; [`RenderError::Simd`] if `NEATFOOL_SIMD` is wrong.
    pub fn band(
        width: usize,
        height: usize,
        rows: Range<usize>,
        home_width: usize,
        home_height: usize,
        coordinates: Coordinates,
    ) -> Result<Self, RenderError> {
        check_size(width, height, MAX_BAND_SIZE)?;
        check_size(home_width, home_height, MAX_SIZE)?;
        if rows.is_empty() || rows.end > height {
            return Err(RenderError::Rows { first: rows.start, end: rows.end, height });
        }
        let level = Level::active()?;
        let (unit_x, unit_y) = (unit_axis(width), unit_axis(height));
        let quarter_width = width.div_ceil(2);
        let (top, bottom) = halves(height, &rows);
        let quarter_rows = match (top.is_empty(), bottom.is_empty()) {
            (false, false) => top.start.min(bottom.start)..top.end,
            (false, true) => top,
            _ => bottom,
        };
        let d = unit_y[quarter_rows.clone()]
            .iter()
            .flat_map(|&y| unit_x[..quarter_width].iter().map(move |&x| (x * x + y * y).sqrt() as f32))
            .collect();
        let axis = |unit: Vec<f64>, home: usize| -> Vec<f32> {
            match coordinates {
                Coordinates::Unit => unit.iter().map(|&v| v as f32).collect(),
                Coordinates::Pixel => {
                    let last = (unit.len() - 1).max(1) as f64;
                    (0..unit.len()).map(|i| ((i * (home - 1)) as f64 / last) as f32).collect()
                }
            }
        };
        let (x, y) = (axis(unit_x, home_width), axis(unit_y, home_height));
        Ok(Self { width, height, rows, coordinates, level, x, y, d, quarter_rows })
    }

    /// The same grid, drawn with another instruction set: the bytes are the same.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of the whole picture.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The rows that are drawn.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Rows of the upper half that are drawn, and those whose mirror images are; the middle row of an odd height is its own.
    pub(super) fn halves(&self) -> (Range<usize>, Range<usize>) {
        halves(self.height, &self.rows)
    }

    /// What x and y are.
    pub fn coordinates(&self) -> Coordinates {
        self.coordinates
    }
}

fn check_size(width: usize, height: usize, most: usize) -> Result<(), RenderError> {
    if (1..=most).contains(&width) && (1..=most).contains(&height) {
        Ok(())
    } else {
        Err(RenderError::Size { width, height, most })
    }
}

fn halves(height: usize, rows: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let half = height.div_ceil(2);
    (rows.start..rows.end.min(half), height - rows.end..height - rows.start.max(half))
}

/// `2 i / (size - 1) - 1`, exactly symmetric; 0 for a single pixel.
fn unit_axis(size: usize) -> Vec<f64> {
    let last = size as f64 - 1.0;
    (0..size).map(|i| if size == 1 { 0.0 } else { (2.0 * i as f64 - last) / last }).collect()
}
