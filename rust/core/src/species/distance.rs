//! The compatibility distance (Stanley & Miikkulainen 2002, section 3.3).

use crate::genome::Genome;

/// Coefficients of the compatibility distance
///
/// δ = `excess` · E / N + `disjoint` · D / N + `weight` · W̄ + `activation` · Ā
///
/// where E and D count the excess and disjoint connections, N is the number of connections of the larger genome, W̄ the mean
/// absolute difference of matching weights, and Ā, which is ours, the share of the nodes in both genomes whose activations
/// differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Compatibility {
    /// c1 in the paper, where it is 1.
    pub excess: f32,
    /// c2 in the paper, where it is 1.
    pub disjoint: f32,
    /// c3 in the paper, where it is 0.4.
    pub weight: f32,
    /// 0 leaves activations out, as the paper, whose nodes are all alike.
    pub activation: f32,
    /// N is 1 if both genomes have fewer connections than this (20 in the paper); 0 always normalises.
    pub small_genome: usize,
}

impl Default for Compatibility {
    fn default() -> Self {
        Self { excess: 1.0, disjoint: 1.0, weight: 0.4, activation: 1.0, small_genome: 0 }
    }
}

/// The compatibility distance of two genomes: 0 to itself, and symmetric.
pub fn distance(a: &Genome, b: &Genome, coefficients: &Compatibility) -> f32 {
    let (x, y) = (a.connections.as_slice(), b.connections.as_slice());
    let (mut i, mut j) = (0, 0);
    let (mut matching, mut weight_difference) = (0, 0.0);
    while let (Some(p), Some(q)) = (x.get(i), y.get(j)) {
        // Without branches: which genome has a gene is close to a coin toss.
        let same = p.innovation == q.innovation;
        matching += usize::from(same);
        weight_difference += if same { (p.weight - q.weight).abs() } else { 0.0 };
        i += usize::from(p.innovation <= q.innovation);
        j += usize::from(q.innovation <= p.innovation);
    }
    let excess = x.len() - i + (y.len() - j);
    let disjoint = x.len() + y.len() - 2 * matching - excess;

    let (v, w) = (a.nodes.as_slice(), b.nodes.as_slice());
    let (mut i, mut j) = (0, 0);
    let (mut both, mut differing) = (0, 0);
    while let (Some(p), Some(q)) = (v.get(i), w.get(j)) {
        let same = p.id == q.id;
        both += usize::from(same);
        differing += usize::from(same && p.activation != q.activation);
        i += usize::from(p.id <= q.id);
        j += usize::from(q.id <= p.id);
    }

    let larger = x.len().max(y.len());
    let size = if larger < coefficients.small_genome { 1 } else { larger.max(1) };
    (coefficients.excess * excess as f32 + coefficients.disjoint * disjoint as f32) / size as f32
        + coefficients.weight * weight_difference / matching.max(1) as f32
        + coefficients.activation * differing as f32 / both.max(1) as f32
}
