//! Operators that change a picture of pixels in one piece: where it lies, how often it repeats, how it is bent, coloured, mixed
//! with another and overlaid.
//!
//! They are to single genes what the operators of CPPNs are to single weights: large steps that keep what a picture is made of.

#![expect(clippy::inline_always, reason = "kernels must be compiled into the function of each instruction set")]

use crate::activation::{Cosine, Function as _, Sine, Triangle};
use crate::direct::genes::{DirectSettings, mutate};
use crate::direct::picture::{Canvas, Color, ImageShape, Picture, mix};
use crate::power::{exp2, log2};
use crate::rng::Stream;

/// A way to make a child.
///
/// [`DirectOperator::code`] is part of the format of checkpoints: an operator keeps its code for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DirectOperator {
    /// Polynomial mutation of single genes.
    Mutate = 0,
    /// The picture moved, scaled by 0.4 to 2.5 and, every other time, turned.
    Place = 1,
    /// A part of the picture, or all of it, repeated up to nine times across, mirrored from one to the next.
    Repeat = 2,
    /// One coordinate bent by a sine of the other (domain warping).
    Warp = 3,
    /// Channels stretched, shifted, inverted or put through a sine, and sometimes exchanged.
    Recolor = 4,
    /// Some channels, hue and lightness say, or what lies within a soft border, from another picture.
    Mix = 5,
    /// Another picture, seen where channels of the first say.
    Compose = 6,
    /// Waves of one colour added within a soft border.
    Wave = 7,
    /// A random picture of few cells added within a soft border.
    Noise = 8,
}

impl DirectOperator {
    /// Every operator, in the order of the codes.
    pub const ALL: [Self; 9] = [
        Self::Mutate,
        Self::Place,
        Self::Repeat,
        Self::Warp,
        Self::Recolor,
        Self::Mix,
        Self::Compose,
        Self::Wave,
        Self::Noise,
    ];

    /// The number that stands for it in files.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The operator of a code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Its name in settings and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Place => "place",
            Self::Repeat => "repeat",
            Self::Warp => "warp",
            Self::Recolor => "recolor",
            Self::Mix => "mix",
            Self::Compose => "compose",
            Self::Wave => "wave",
            Self::Noise => "noise",
        }
    }

    /// Parents that a child has.
    pub fn parents(self) -> usize {
        if matches!(self, Self::Mix | Self::Compose) { 2 } else { 1 }
    }

    /// Makes the child of two pictures, of which only operators of two parents look at the second.
    pub(super) fn child(
        self,
        parent: Picture,
        other: Picture,
        settings: &DirectSettings,
        generation: u32,
        stream: &mut Stream,
        canvas: Canvas,
    ) {
        match self {
            Self::Mutate => {
                canvas.genes.copy_from_slice(parent.genes);
                mutate(canvas.level, canvas.genes, settings.rate_in(generation), settings.mutation_eta, stream);
            }
            Self::Place => place(parent, stream, canvas),
            Self::Repeat => repeat(parent, stream, canvas),
            Self::Warp => warp(parent, stream, canvas),
            Self::Recolor => recolor(parent, stream, canvas),
            Self::Mix => {
                if parent.shape.channels > 1 && stream.chance(0.5) {
                    mix_channels(parent, other, stream, canvas);
                } else {
                    mix_areas(parent, other, stream, canvas);
                }
            }
            Self::Compose => compose(parent, other, stream, canvas),
            Self::Wave => {
                let wave = Wave::random(stream);
                overlay(parent, stream, canvas, |x, y| [wave.at(x, y); 3]);
            }
            Self::Noise => {
                let cells = log_between(2.0, 64.0, stream) as usize;
                let noise = Coarse::random(cells, parent.shape.channels, stream);
                overlay(parent, stream, canvas, |x, y| noise.picture().seen(x, y).map(|value| 2.0 * value - 1.0));
            }
        }
    }
}

fn place(parent: Picture, stream: &mut Stream, canvas: Canvas) {
    let scale = log_between(0.4, 2.5, stream);
    let half_turns = if stream.chance(0.5) { between(-1.0, 1.0, stream) } else { 0.0 };
    let (cos, sin) = (scale * Cosine::at(half_turns), scale * Sine::at(half_turns));
    let (right, down) = (between(-0.5, 0.5, stream), between(-0.5, 0.5, stream));
    canvas.paint(|at| parent.seen(at.x * cos + at.y * sin + right, at.y * cos - at.x * sin + down));
}

fn repeat(parent: Picture, stream: &mut Stream, canvas: Canvas) {
    let across = between(1.5, 9.0, stream);
    let down = if stream.chance(0.3) { between(1.5, 9.0, stream) } else { across };
    let part = if stream.chance(0.5) { 1.0 } else { between(1.0 / across, 1.0, stream) };
    let [phases, middles] = [2.0, 1.0 - part].map(|most| [0; 2].map(|_| between(-most, most, stream)));
    // The triangle wave runs over [-1, 1] and back.
    canvas.paint(|at| {
        parent.seen(
            part * Triangle::at(0.5 * (at.x * across + phases[0])) + middles[0],
            part * Triangle::at(0.5 * (at.y * down + phases[1])) + middles[1],
        )
    });
}

fn warp(parent: Picture, stream: &mut Stream, canvas: Canvas) {
    let upright = stream.chance(0.5);
    let (waves, phase) = (between(0.3, 3.0, stream), between(-1.0, 1.0, stream));
    let height = between(0.05, 0.4, stream);
    let bend = |along: f32| height * Sine::at(waves * along + phase);
    if upright {
        canvas.paint(|at| parent.seen(at.x, at.y + bend(at.x)));
    } else {
        canvas.paint(|at| parent.seen(at.x + bend(at.y), at.y));
    }
}

fn recolor(parent: Picture, stream: &mut Stream, canvas: Canvas) {
    let mut source = [0, 1, 2];
    if parent.shape.channels == 3 && stream.chance(0.2) {
        source.swap(0, stream.below(3) as usize);
        source.swap(1, 1 + stream.below(2) as usize);
    }
    let curves = [0; 3].map(|_| Curve::random(stream));
    canvas.paint(|at| {
        let mine = parent.at(at.row, at.column);
        std::array::from_fn(|channel| curves[channel].at(mine[source[channel]]))
    });
}

fn mix_channels(parent: Picture, other: Picture, stream: &mut Stream, canvas: Canvas) {
    let taken = 1 + stream.below(6);
    canvas.paint(|at| {
        let (mine, its) = (parent.at(at.row, at.column), other.at(at.row, at.column));
        std::array::from_fn(|channel| if taken >> channel & 1 == 1 { its[channel] } else { mine[channel] })
    });
}

fn mix_areas(parent: Picture, other: Picture, stream: &mut Stream, canvas: Canvas) {
    let (area, most) = (Area::random(stream), between(0.3, 1.0, stream));
    canvas.paint(|at| {
        let share = most * area.share(at.x, at.y);
        let (mine, its) = (parent.at(at.row, at.column), other.at(at.row, at.column));
        std::array::from_fn(|channel| mix(mine[channel], its[channel], share))
    });
}

fn compose(parent: Picture, other: Picture, stream: &mut Stream, canvas: Canvas) {
    let [across, down] = [0; 2].map(|_| stream.below(parent.shape.channels as u32) as usize);
    let both = stream.chance(0.5);
    canvas.paint(|at| {
        let mine = parent.at(at.row, at.column).map(|value| 2.0 * value - 1.0);
        other.seen(mine[across], if both { mine[down] } else { at.y })
    });
}

/// Adds something of values in [-1, 1], in a random colour, within a random area.
fn overlay(parent: Picture, stream: &mut Stream, canvas: Canvas, height: impl Fn(f32, f32) -> Color) {
    let (area, most) = (Area::random(stream), log_between(0.05, 0.8, stream));
    let tint: Color = [0; 3].map(|_| if stream.chance(0.6) { between(-most, most, stream) } else { 0.0 });
    canvas.paint(|at| {
        let (mine, share, added) = (parent.at(at.row, at.column), area.share(at.x, at.y), height(at.x, at.y));
        std::array::from_fn(|channel| mine[channel] + share * tint[channel] * added[channel])
    });
}

/// What becomes of the values of a channel.
#[derive(Clone, Copy)]
enum Curve {
    Line { slope: f32, middle: f32 },
    Sine { half_waves: f32, phase: f32 },
}

impl Curve {
    /// Every other one leaves a channel as it is.
    fn random(stream: &mut Stream) -> Self {
        if stream.chance(0.5) {
            Self::Line { slope: 1.0, middle: 0.5 }
        } else if stream.chance(0.25) {
            Self::Sine { half_waves: between(0.6, 4.0, stream), phase: between(-1.0, 1.0, stream) }
        } else {
            let slope = log_between(0.5, 2.0, stream);
            let slope = if stream.chance(0.1) { -slope } else { slope };
            Self::Line { slope, middle: between(0.25, 0.75, stream) }
        }
    }

    #[inline(always)]
    fn at(self, value: f32) -> f32 {
        match self {
            Self::Line { slope, middle } => slope * (value - 0.5) + middle,
            Self::Sine { half_waves, phase } => 0.5 + 0.5 * Sine::at(half_waves * value + phase),
        }
    }
}

/// Where something happens: everywhere, in an ellipse, on one side of a line, or in waves. Borders are soft.
#[derive(Clone, Copy)]
enum Area {
    All,
    Ellipse { x: f32, y: f32, per_x: f32, per_y: f32, steep: f32 },
    Side { x: f32, y: f32, from: f32, steep: f32 },
    Waves(Wave),
}

impl Area {
    fn random(stream: &mut Stream) -> Self {
        match stream.below(4) {
            0 => Self::All,
            1 => {
                let (x, y) = (between(-1.0, 1.0, stream), between(-1.0, 1.0, stream));
                let (size, wide) = (log_between(0.1, 0.9, stream), log_between(0.6, 1.6, stream));
                let steep = log_between(1.0, 20.0, stream);
                Self::Ellipse { x, y, per_x: 1.0 / (size * wide), per_y: wide / size, steep }
            }
            2 => {
                let half_turns = between(-1.0, 1.0, stream);
                let (x, y) = (Cosine::at(half_turns), Sine::at(half_turns));
                Self::Side { x, y, from: between(-0.7, 0.7, stream), steep: log_between(1.0, 50.0, stream) }
            }
            _ => Self::Waves(Wave::random(stream)),
        }
    }

    /// 1 within, 0 outside.
    #[inline(always)]
    fn share(self, x: f32, y: f32) -> f32 {
        let inwards = match self {
            Self::All => 1.0,
            Self::Ellipse { x: middle_x, y: middle_y, per_x, per_y, steep } => {
                (1.0 - length((x - middle_x) * per_x, (y - middle_y) * per_y)) * steep
            }
            Self::Side { x: right, y: down, from, steep } => (x * right + y * down - from) * steep,
            Self::Waves(wave) => 0.5 * wave.at(x, y),
        };
        (inwards + 0.5).clamp(0.0, 1.0)
    }
}

/// A sine of the distance from a line or a point, in [-1, 1]; every fourth is a square wave.
#[derive(Clone, Copy)]
struct Wave {
    round: bool,
    square: bool,
    x: f32,
    y: f32,
    half_waves: f32,
    phase: f32,
}

impl Wave {
    fn random(stream: &mut Stream) -> Self {
        let (round, square) = (stream.chance(0.25), stream.chance(0.25));
        let (x, y) = if round {
            (between(-1.0, 1.0, stream), between(-1.0, 1.0, stream))
        } else {
            let half_turns = between(-1.0, 1.0, stream);
            (Cosine::at(half_turns), Sine::at(half_turns))
        };
        let (half_waves, phase) = (log_between(0.5, 28.0, stream), between(-1.0, 1.0, stream));
        Self { round, square, x, y, half_waves, phase }
    }

    #[inline(always)]
    fn at(&self, x: f32, y: f32) -> f32 {
        let along = if self.round { length(x - self.x, y - self.y) } else { x * self.x + y * self.y };
        let wave = Sine::at(self.half_waves * along + self.phase);
        if self.square { 1.0_f32.copysign(wave) } else { wave }
    }
}

/// A picture of few pixels, random all.
pub(super) struct Coarse {
    genes: Vec<u16>,
    shape: ImageShape,
}

impl Coarse {
    pub(super) fn random(side: usize, channels: usize, stream: &mut Stream) -> Self {
        let shape = ImageShape { channels, height: side, width: side };
        Self { genes: (0..shape.length()).map(|_| stream.next_u32() as u16).collect(), shape }
    }

    #[inline(always)]
    pub(super) fn picture(&self) -> Picture<'_> {
        Picture { genes: &self.genes, shape: self.shape }
    }
}

#[inline(always)]
fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

/// Uniform in `[low, high)`.
fn between(low: f32, high: f32, stream: &mut Stream) -> f32 {
    low + stream.unit_f32() * (high - low)
}

/// Between two positive numbers, its logarithm uniform.
fn log_between(low: f32, high: f32, stream: &mut Stream) -> f32 {
    exp2(between(log2(low), log2(high), stream))
}
