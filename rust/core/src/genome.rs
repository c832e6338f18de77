//! CPPN genomes: node genes, connection genes, their invariants, their JSON form and edits of single nodes.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::error::GenomeError;

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
/// # JSON form
///
/// ```json
/// {
///   "format": "neatfool-cppn", "version": 1, "outputs": 1,
///   "nodes": [{"id": 4, "activation": "sine"}, {"id": 7, "activation": "gaussian"}],
///   "connections": [{"innovation": 0, "source": 0, "target": 4, "weight": 1.5, "enabled": true}]
/// }
/// ```
///
/// Ids 0 to 3 are the inputs x, y, d and bias; the outputs follow (4, or 4 to 6 in colour); hidden nodes have larger ids.
/// A genome serialises to this form, and is checked when read from it.
///
/// ```
/// use neatfool_core::{Genome, GenomeError};
///
/// let text = r#"{"format": "neatfool-cppn", "version": 1, "outputs": 1, "nodes": [{"id": 4, "activation": "sine"}],
///     "connections": [{"innovation": 0, "source": 0, "target": 4, "weight": 1.5, "enabled": true}]}"#;
/// let genome = Genome::from_json(text)?;
/// assert_eq!(Genome::from_json(&genome.to_json())?, genome);
/// assert!(Genome::from_json(&text.replace("1.5", "1e9")).is_err());
/// # Ok::<(), GenomeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "JsonGenome", try_from = "JsonGenome")]
pub struct Genome {
    pub(crate) outputs: usize,
    pub(crate) nodes: Vec<NodeGene>,
    pub(crate) connections: Vec<ConnectionGene>,
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
    /// [`GenomeError`] naming the first broken invariant.
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

    /// A copy in which an output or hidden node is 0 everywhere: nothing enters it, and its activation is linear.
    ///
    /// # Errors
    /// [`GenomeError::UnknownNode`] for the id of an input or of no node.
    pub fn silenced(&self, node: u32) -> Result<Self, GenomeError> {
        let index = self.node_index(node).ok_or(GenomeError::UnknownNode { id: node })?;
        let mut genome = self.clone();
        genome.nodes[index].activation = Activation::Linear;
        genome.connections.retain(|c| c.target != node);
        Ok(genome)
    }

    /// A genome of one output that everything which enters a node enters instead.
    ///
    /// # Errors
    /// [`GenomeError::UnknownNode`] for the id of an input or of no node.
    pub(crate) fn with_inputs_of(&self, node: u32) -> Result<Self, GenomeError> {
        const OUTPUT: u32 = INPUTS as u32;
        self.node_index(node).ok_or(GenomeError::UnknownNode { id: node })?;
        let output = NodeGene { id: OUTPUT, activation: Activation::Linear };
        let nodes = std::iter::once(output).chain(self.nodes[self.outputs..].iter().copied()).collect();
        let redirected =
            self.connections.iter().filter(|c| c.target == node).map(|c| ConnectionGene { target: OUTPUT, ..*c });
        let others = self.connections.iter().filter(|c| !self.is_output(c.target) && c.target != node).copied();
        Self::new(1, nodes, redirected.chain(others).collect())
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
    /// [`GenomeError`] naming the first broken one.
    pub fn validate(&self) -> Result<(), GenomeError> {
        if self.outputs != 1 && self.outputs != 3 {
            return Err(GenomeError::Outputs { found: self.outputs });
        }
        if self.nodes.len() > MAX_GENES || self.connections.len() > MAX_GENES {
            return Err(GenomeError::Genes { most: MAX_GENES });
        }
        if self.nodes.len() < self.outputs
            || self.nodes.iter().take(self.outputs).enumerate().any(|(i, n)| n.id as usize != INPUTS + i)
        {
            let last = (INPUTS + self.outputs - 1) as u32;
            return Err(GenomeError::OutputIds { first: INPUTS as u32, last });
        }
        if let Some(pair) = self.nodes.windows(2).find(|p| p[0].id >= p[1].id) {
            return Err(GenomeError::NodeOrder { id: pair[1].id });
        }
        if let Some(pair) = self.connections.windows(2).find(|p| p[0].innovation >= p[1].innovation) {
            return Err(GenomeError::InnovationOrder { innovation: pair[1].innovation });
        }
        let mut pairs = HashSet::with_capacity(self.connections.len());
        for c in &self.connections {
            let innovation = c.innovation;
            if !c.weight.is_finite() || c.weight.abs() > MAX_WEIGHT {
                return Err(GenomeError::Weight { innovation, weight: c.weight, limit: MAX_WEIGHT });
            }
            if c.source as usize >= INPUTS && (self.is_output(c.source) || self.node_index(c.source).is_none()) {
                return Err(GenomeError::Source { innovation, source_id: c.source });
            }
            if self.node_index(c.target).is_none() {
                return Err(GenomeError::Target { innovation, target: c.target });
            }
            if !pairs.insert((c.source, c.target)) {
                return Err(GenomeError::Parallel { from: c.source, to: c.target });
            }
        }
        if self.topological_order().is_none() {
            return Err(GenomeError::Cycle);
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

    /// The JSON form described above.
    ///
    /// # Panics
    /// Never: the fields are plain numbers and strings.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data serialises")
    }

    /// Reads the JSON form, checking every invariant.
    ///
    /// # Errors
    /// [`GenomeError::Json`], [`GenomeError::Format`] or [`GenomeError::Version`] for text of another form, others for a broken
    /// invariant.
    pub fn from_json(text: &str) -> Result<Self, GenomeError> {
        let json: JsonGenome = serde_json::from_str(text).map_err(|e| GenomeError::Json {
            line: e.line(),
            column: e.column(),
            message: e.to_string(),
        })?;
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
            return Err(GenomeError::Format { found: json.format, expected: JSON_FORMAT });
        }
        if json.version != JSON_VERSION {
            return Err(GenomeError::Version { found: json.version, expected: JSON_VERSION });
        }
        Self::new(json.outputs, json.nodes, json.connections)
    }
}
