//! CPPN genomes: node genes, connection genes, their invariants and their JSON form.
//!
//! # JSON form
//!
//! ```json
//! {
//!   "format": "neatfool-cppn", "version": 1, "outputs": 1,
//!   "nodes": [{"id": 4, "activation": "sine"}, {"id": 7, "activation": "gaussian"}],
//!   "connections": [{"innovation": 0, "source": 0, "target": 4, "weight": 1.5, "enabled": true}]
//! }
//! ```
//!
//! Ids 0 to 3 are the inputs x, y, d and bias; the outputs follow (4, or 4 to 6 in colour); hidden nodes have larger ids.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::activation::Activation;

/// Number of inputs of every genome: x, y, d (distance from the centre) and bias (always 1).
pub const INPUTS: usize = 4;
/// Id of the bias input.
pub const BIAS: u32 = 3;
/// Weights lie in `[-MAX_WEIGHT, MAX_WEIGHT]`.
pub const MAX_WEIGHT: f32 = 10.0;
/// A genome read from JSON may have at most this many nodes, and as many connections.
pub const MAX_GENES: usize = 100_000;

/// An output or hidden node.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeGene {
    /// Unique within a run: nodes of the same id in two genomes come from the same structural mutation.
    pub id: u32,
    /// What the node does to the sum of its inputs.
    pub activation: Activation,
}

/// A weighted edge from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionGene {
    /// Historical marking (Stanley & Miikkulainen 2002): equal in two genomes when the gene has the same origin.
    pub innovation: u32,
    /// Node id the value comes from: an input or a hidden node.
    pub source: u32,
    /// Node id the value goes to: an output or a hidden node.
    pub target: u32,
    /// In `[-MAX_WEIGHT, MAX_WEIGHT]`.
    pub weight: f32,
    /// A disabled connection is inherited but carries nothing.
    pub enabled: bool,
}

/// A CPPN: an acyclic graph from the four inputs to one (gray) or three (colour) outputs.
///
/// Invariants, which every operator keeps and [`Genome::new`] checks:
/// - `nodes` is sorted by id; its first genes are the outputs, ids `INPUTS..INPUTS + outputs`;
/// - `connections` is sorted by innovation; innovations and (source, target) pairs are unique;
/// - sources are inputs or hidden nodes, targets hidden nodes or outputs, weights finite and within `MAX_WEIGHT`;
/// - the graph is acyclic, disabled connections included, so that enabling one can never close a cycle.
///
/// Serialises to the JSON form, and is checked when read from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "JsonGenome", try_from = "JsonGenome")]
pub struct Genome {
    pub(crate) outputs: usize,
    pub(crate) nodes: Vec<NodeGene>,
    pub(crate) connections: Vec<ConnectionGene>,
}

/// Why something is not a genome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenomeError {
    /// The text is not JSON of the documented form.
    #[error("not a neatfool-cppn genome: {0}")]
    Json(String),
    /// The parts do not make a genome.
    #[error("invalid genome: {0}")]
    Invalid(String),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonGenome {
    format: String,
    version: u32,
    outputs: usize,
    nodes: Vec<NodeGene>,
    connections: Vec<ConnectionGene>,
}

const JSON_FORMAT: &str = "neatfool-cppn";
const JSON_VERSION: u32 = 1;

impl Genome {
    /// Builds a genome from its parts, sorting the genes.
    ///
    /// # Errors
    /// [`GenomeError::Invalid`] naming the first broken invariant.
    pub fn new(
        outputs: usize,
        mut nodes: Vec<NodeGene>,
        mut connections: Vec<ConnectionGene>,
    ) -> Result<Self, GenomeError> {
        nodes.sort_unstable_by_key(|n| n.id);
        connections.sort_unstable_by_key(|c| c.innovation);
        let genome = Self { outputs, nodes, connections };
        genome.validate()?;
        Ok(genome)
    }

    /// Number of outputs: 1 for gray, 3 for colour.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Output nodes first, then hidden nodes, by id.
    pub fn nodes(&self) -> &[NodeGene] {
        &self.nodes
    }

    /// Connections by innovation.
    pub fn connections(&self) -> &[ConnectionGene] {
        &self.connections
    }

    /// Number of hidden nodes.
    pub fn hidden(&self) -> usize {
        self.nodes.len() - self.outputs
    }

    /// Whether `id` is one of the outputs.
    pub fn is_output(&self, id: u32) -> bool {
        (INPUTS..INPUTS + self.outputs).contains(&(id as usize))
    }

    /// Index of a node in [`Genome::nodes`], or `None` for inputs and unknown ids.
    pub fn node_index(&self, id: u32) -> Option<usize> {
        self.nodes.binary_search_by_key(&id, |n| n.id).ok()
    }

    /// A copy with room for the genes that a round of mutation can add: one node and three connections.
    pub(crate) fn clone_with_room(&self) -> Self {
        let mut nodes = Vec::with_capacity(self.nodes.len() + 1);
        nodes.extend_from_slice(&self.nodes);
        let mut connections = Vec::with_capacity(self.connections.len() + 3);
        connections.extend_from_slice(&self.connections);
        Self { outputs: self.outputs, nodes, connections }
    }

    /// Collects `node` and every non-input node from which it can be reached, over disabled connections too. The time is
    /// the number of connections times that of ancestors: both are small, and no index has to be kept.
    pub(crate) fn collect_ancestors(&self, node: u32, found: &mut Vec<u32>) {
        found.clear();
        found.push(node);
        let mut next = 0;
        while let Some(&target) = found.get(next) {
            for c in &self.connections {
                if c.target == target && c.source as usize >= INPUTS && !found.contains(&c.source) {
                    found.push(c.source);
                }
            }
            next += 1;
        }
    }

    /// Checks every invariant of the type.
    ///
    /// # Errors
    /// [`GenomeError::Invalid`] naming the first broken one.
    pub fn validate(&self) -> Result<(), GenomeError> {
        let invalid = |why: String| Err(GenomeError::Invalid(why));
        if self.outputs != 1 && self.outputs != 3 {
            return invalid(format!("{} outputs; a genome has 1 (gray) or 3 (colour)", self.outputs));
        }
        if self.nodes.len() > MAX_GENES || self.connections.len() > MAX_GENES {
            return invalid(format!("more than {MAX_GENES} genes"));
        }
        if self.nodes.len() < self.outputs
            || self.nodes.iter().take(self.outputs).enumerate().any(|(i, n)| n.id as usize != INPUTS + i)
        {
            return invalid(format!("the outputs must have the ids {INPUTS} to {}", INPUTS + self.outputs - 1));
        }
        if let Some(pair) = self.nodes.windows(2).find(|p| p[0].id >= p[1].id) {
            return invalid(format!("node id {} appears twice or out of order", pair[1].id));
        }
        if let Some(pair) = self.connections.windows(2).find(|p| p[0].innovation >= p[1].innovation) {
            return invalid(format!("innovation {} appears twice or out of order", pair[1].innovation));
        }
        let mut pairs = HashSet::with_capacity(self.connections.len());
        for c in &self.connections {
            if !c.weight.is_finite() || c.weight.abs() > MAX_WEIGHT {
                return invalid(format!("connection {} has weight {}, outside ±{MAX_WEIGHT}", c.innovation, c.weight));
            }
            if c.source as usize >= INPUTS && (self.is_output(c.source) || self.node_index(c.source).is_none()) {
                return invalid(format!(
                    "connection {} starts at {}, not an input or hidden node",
                    c.innovation, c.source
                ));
            }
            if self.node_index(c.target).is_none() {
                return invalid(format!(
                    "connection {} ends at {}, not an output or hidden node",
                    c.innovation, c.target
                ));
            }
            if !pairs.insert((c.source, c.target)) {
                return invalid(format!("two connections from {} to {}", c.source, c.target));
            }
        }
        if self.topological_order().is_none() {
            return invalid("the graph has a cycle".into());
        }
        Ok(())
    }

    /// Indices into [`Genome::nodes`] in an order in which every source comes before its targets (Kahn's algorithm,
    /// smallest index first among the ready), or `None` if the graph has a cycle. Disabled connections count.
    pub fn topological_order(&self) -> Option<Vec<usize>> {
        let n = self.nodes.len();
        let mut waiting = vec![0_u32; n];
        let mut targets: Vec<Vec<usize>> = vec![Vec::new(); n];
        for c in &self.connections {
            let target = self.node_index(c.target)?;
            if let Some(source) = self.node_index(c.source) {
                waiting[target] += 1;
                targets[source].push(target);
            }
        }
        let mut ready: std::collections::BinaryHeap<_> =
            (0..n).filter(|&i| waiting[i] == 0).map(std::cmp::Reverse).collect();
        let mut order = Vec::with_capacity(n);
        while let Some(std::cmp::Reverse(node)) = ready.pop() {
            order.push(node);
            for &target in &targets[node] {
                waiting[target] -= 1;
                if waiting[target] == 0 {
                    ready.push(std::cmp::Reverse(target));
                }
            }
        }
        (order.len() == n).then_some(order)
    }

    /// The JSON form described at the top of this module.
    ///
    /// # Panics
    /// Never: the fields are plain numbers and strings.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data serialises")
    }

    /// Reads the JSON form, checking every invariant.
    ///
    /// # Errors
    /// [`GenomeError::Json`] for text of another form or version, [`GenomeError::Invalid`] for a broken invariant.
    pub fn from_json(text: &str) -> Result<Self, GenomeError> {
        let json: JsonGenome = serde_json::from_str(text).map_err(|e| GenomeError::Json(e.to_string()))?;
        json.try_into()
    }
}

impl From<Genome> for JsonGenome {
    fn from(genome: Genome) -> Self {
        let Genome { outputs, nodes, connections } = genome;
        Self { format: JSON_FORMAT.into(), version: JSON_VERSION, outputs, nodes, connections }
    }
}

impl TryFrom<JsonGenome> for Genome {
    type Error = GenomeError;

    fn try_from(json: JsonGenome) -> Result<Self, GenomeError> {
        if json.format != JSON_FORMAT {
            return Err(GenomeError::Json(format!("its format is {:?}, not {JSON_FORMAT:?}", json.format)));
        }
        if json.version != JSON_VERSION {
            return Err(GenomeError::Json(format!(
                "its version is {}, this program reads {JSON_VERSION}",
                json.version
            )));
        }
        Self::new(json.outputs, json.nodes, json.connections)
    }
}
