//! Crossover of two CPPNs by historical markings (Stanley & Miikkulainen 2002, section 3.2).
//!
//! Genes with the same innovation match. A matching gene is inherited from either parent at random. Disjoint and excess
//! genes are all inherited from the fitter parent; if both are equally fit, those of both are "inherited randomly", each
//! with probability ½, so that genomes do not grow when many are equal. A gene that is disabled in a parent that has it is
//! disabled in the child with probability [`CrossoverSettings::keep_disabled`].
//!
//! What the paper leaves open:
//! - the child has all nodes of the fitter parent, unconnected ones too: mutation can connect them, and a copy has them. With
//!   equally fit parents it has the outputs and the nodes that its connections need;
//! - a node that both parents have takes its activation from either at random;
//! - equally fit parents may disagree on the direction of the flow: after the genes of the one come those of the other, by
//!   innovation, and one that would close a cycle, or join two nodes which the child joins already, is left out;
//! - matching genes join the same nodes when both parents are of one run; if they do not, the fitter parent's nodes hold.

use crate::genome::{ConnectionGene, Genome, INPUTS};
use crate::rng::Stream;
use crate::variation::settings::CrossoverSettings;

/// The child of two parents of the same number of outputs; `equal` if neither is the fitter.
pub(super) fn cross(
    fitter: &Genome,
    other: &Genome,
    equal: bool,
    settings: &CrossoverSettings,
    stream: &mut Stream,
) -> Genome {
    let mut child = fitter.clone_with_room();
    let mut coins = Coins::default();
    let mut rest = other.nodes.iter().peekable();
    for node in &mut child.nodes {
        while rest.next_if(|n| n.id < node.id).is_some() {}
        if let Some(match_) = rest.next_if(|n| n.id == node.id) {
            node.activation = if coins.flip(stream) { match_.activation } else { node.activation };
        }
    }
    let inherit = |enabled: bool, stream: &mut Stream| enabled || !stream.chance(settings.keep_disabled);
    let mut rest = other.connections.iter().peekable();
    child.connections.retain_mut(|gene| {
        while rest.next_if(|c| c.innovation < gene.innovation).is_some() {}
        if let Some(match_) = rest.next_if(|c| c.innovation == gene.innovation) {
            gene.weight = if coins.flip(stream) { match_.weight } else { gene.weight };
            gene.enabled &= match_.enabled;
        } else if equal && coins.flip(stream) {
            return false;
        }
        gene.enabled = inherit(gene.enabled, stream);
        true
    });
    if equal {
        let own = fitter.connections.as_slice();
        let mut ancestors = Vec::new();
        for gene in &other.connections {
            if own.binary_search_by_key(&gene.innovation, |c| c.innovation).is_err() && coins.flip(stream) {
                let enabled = inherit(gene.enabled, stream);
                add_gene(&mut child, &ConnectionGene { enabled, ..*gene }, other, &mut ancestors);
            }
        }
        let Genome { outputs, nodes, connections } = &mut child;
        connections.sort_unstable_by_key(|c| c.innovation);
        let needed = |id: u32| connections.iter().any(|c| c.source == id || c.target == id);
        nodes.retain(|n| (n.id as usize) < INPUTS + *outputs || needed(n.id));
    }
    child
}

/// Fair coins, 32 to a random number.
#[derive(Default)]
struct Coins {
    bits: u32,
    left: u32,
}

impl Coins {
    fn flip(&mut self, stream: &mut Stream) -> bool {
        if self.left == 0 {
            *self = Self { bits: stream.next_u32(), left: 32 };
        }
        let heads = self.bits & 1 == 1;
        *self = Self { bits: self.bits >> 1, left: self.left - 1 };
        heads
    }
}

/// Adds a gene of `other` with the nodes it needs, unless it closes a cycle or joins what is joined already.
fn add_gene(child: &mut Genome, gene: &ConnectionGene, other: &Genome, ancestors: &mut Vec<u32>) {
    if child.connections.iter().any(|c| c.source == gene.source && c.target == gene.target) {
        return;
    }
    // Nothing leaves an output and nothing enters an input, so such a gene cannot close a cycle.
    if gene.source as usize >= INPUTS && !child.is_output(gene.target) {
        child.collect_ancestors(gene.source, ancestors);
        if ancestors.contains(&gene.target) {
            return;
        }
    }
    for id in [gene.source, gene.target] {
        if id as usize >= INPUTS
            && let Err(place) = child.nodes.binary_search_by_key(&id, |n| n.id)
            && let Some(node) = other.node_index(id)
        {
            child.nodes.insert(place, other.nodes[node]);
        }
    }
    child.connections.push(*gene);
}
