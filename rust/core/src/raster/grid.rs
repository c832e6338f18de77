//! The pixels of a picture and their coordinates.

use crate::error::RenderError;
use crate::simd::Level;

/// Largest width or height of a picture.
pub const MAX_SIZE: usize = 16_384;

/// What the inputs x and y of a genome are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// Column and row, from 0.
    Pixel,
    /// From -1 to 1 (0 for a single column or row).
    Unit,
}

/// The pixels of a picture: their inputs x, y and d.
///
/// d is the distance from the centre in coordinates that run from -1 to 1, whatever x and y are.
#[derive(Clone, Debug)]
pub struct Grid {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) coordinates: Coordinates,
    pub(super) level: Level,
    pub(super) x: Vec<f32>,
    pub(super) y: Vec<f32>,
    /// Of the upper left quarter, middle column and row included.
    pub(super) d: Vec<f32>,
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
        for (width, height) in [(width, height), (home_width, home_height)] {
            if !(1..=MAX_SIZE).contains(&width) || !(1..=MAX_SIZE).contains(&height) {
                return Err(RenderError::Size { width, height, most: MAX_SIZE });
            }
        }
        let level = Level::active()?;
        let (unit_x, unit_y) = (unit_axis(width), unit_axis(height));
        let quarter_width = width.div_ceil(2);
        let d = unit_y[..height.div_ceil(2)]
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
        Ok(Self { width, height, coordinates, level, x: axis(unit_x, home_width), y: axis(unit_y, home_height), d })
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

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// What x and y are.
    pub fn coordinates(&self) -> Coordinates {
        self.coordinates
    }
}

/// `2 i / (size - 1) - 1`, exactly symmetric; 0 for a single pixel.
fn unit_axis(size: usize) -> Vec<f64> {
    let last = size as f64 - 1.0;
    (0..size).map(|i| if size == 1 { 0.0 } else { (2.0 * i as f64 - last) / last }).collect()
}
