//! What can go wrong, as data. Messages say what was found and, where it helps, what to do.

/// Why something is not an activation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActivationError {
    /// No activation has this name.
    #[error(
        "unknown activation {name:?}; use one of: sine, sigmoid, gaussian, linear, cosine, tanh, absolute, relu, triangle"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// No activation has this code.
    #[error("there is no activation {code}")]
    Code {
        /// The code.
        code: u8,
    },
}

/// Why something is not a genome, or has no such node.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GenomeError {
    /// The text is not JSON with the fields of a genome.
    #[error("not a neatfool-cppn genome: {message}")]
    Json {
        /// Line of the text, from 1; 0 if unknown.
        line: usize,
        /// Column, from 1; 0 if unknown.
        column: usize,
        /// What the parser says, the place included.
        message: String,
    },
    /// The text says that it is something else.
    #[error("not a neatfool-cppn genome: its format is {found:?}, not {expected:?}")]
    Format {
        /// The format that the text names.
        found: String,
        /// The format of genomes.
        expected: &'static str,
    },
    /// The text is of another version of the form.
    #[error("not a neatfool-cppn genome: its version is {found}, this program reads {expected}")]
    Version {
        /// Version of the text.
        found: u32,
        /// Version that is read.
        expected: u32,
    },
    /// The number of outputs is not supported.
    #[error("invalid genome: {found} outputs; a genome has 1 (gray) or 3 (colour)")]
    Outputs {
        /// Outputs that were asked for.
        found: usize,
    },
    /// There are more nodes or more connections than a genome may have.
    #[error("invalid genome: more than {most} genes")]
    Genes {
        /// Most nodes, and most connections.
        most: usize,
    },
    /// The first nodes are not the outputs.
    #[error("invalid genome: the outputs must have the ids {first} to {last}")]
    OutputIds {
        /// Id of the first output.
        first: u32,
        /// Id of the last output.
        last: u32,
    },
    /// Node ids are not strictly ascending.
    #[error("invalid genome: node id {id} appears twice or out of order")]
    NodeOrder {
        /// The id at fault.
        id: u32,
    },
    /// Innovations are not strictly ascending.
    #[error("invalid genome: innovation {innovation} appears twice or out of order")]
    InnovationOrder {
        /// The innovation at fault.
        innovation: u32,
    },
    /// A weight is too large or no number.
    #[error("invalid genome: connection {innovation} has weight {weight}, outside ±{limit}")]
    Weight {
        /// Innovation of the connection.
        innovation: u32,
        /// Its weight.
        weight: f32,
        /// Largest magnitude of a weight.
        limit: f32,
    },
    /// A connection comes from an output or from nowhere.
    #[error("invalid genome: connection {innovation} starts at {source_id}, not an input or hidden node")]
    Source {
        /// Innovation of the connection.
        innovation: u32,
        /// Where it starts.
        source_id: u32,
    },
    /// A connection goes to an input or nowhere.
    #[error("invalid genome: connection {innovation} ends at {target}, not an output or hidden node")]
    Target {
        /// Innovation of the connection.
        innovation: u32,
        /// Where it ends.
        target: u32,
    },
    /// Two connections join the same nodes.
    #[error("invalid genome: two connections from {from} to {to}")]
    Parallel {
        /// Where they start.
        from: u32,
        /// Where they end.
        to: u32,
    },
    /// A node depends on itself.
    #[error("invalid genome: the graph has a cycle")]
    Cycle,
    /// The genome has no output or hidden node of this id.
    #[error("the genome has no output or hidden node {id}")]
    UnknownNode {
        /// The id that was asked for.
        id: u32,
    },
}

/// Why flat arrays are not a batch of genomes.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArraysError {
    /// The nodes are those of more or fewer genomes than the connections.
    #[error("node_counts and connection_counts differ in length: {nodes} and {connections}")]
    Genomes {
        /// Genomes with a number of nodes.
        nodes: usize,
        /// Genomes with a number of connections.
        connections: usize,
    },
    /// An array does not have a value for each gene.
    #[error("{array} has {found} values, its counts add up to {expected}")]
    Length {
        /// Which array.
        array: &'static str,
        /// Its values.
        found: usize,
        /// Genes of all genomes.
        expected: u64,
    },
    /// A truth value is neither.
    #[error("enabled has a value of {value}; it must be 0 or 1")]
    Enabled {
        /// The byte.
        value: u8,
    },
    /// An activation has a code that none has.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// The genes do not make a genome.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// The caller asked to stop.
    #[error("reading was cancelled")]
    Cancelled,
}

/// A setting that is out of range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// Not in `[0, 1]`.
    #[error("{name} is {value}; set a probability between 0 and 1")]
    Probability {
        /// Of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// Negative, infinite or no number.
    #[error("{name} is {value}; set a finite number of at least 0")]
    Negative {
        /// Of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// Not above 1, infinite or no number.
    #[error("{name} is {value}; set more than 1")]
    AtMostOne {
        /// Of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// A count that must not be 0.
    #[error("{name} is 0; set at least 1")]
    Zero {
        /// Of the setting.
        name: &'static str,
    },
    /// The number of outputs is not supported.
    #[error("outputs is {found}; set 1 (gray) or 3 (colour)")]
    Outputs {
        /// Its value.
        found: usize,
    },
    /// There is no activation to draw.
    #[error("activations is empty; name at least one")]
    NoActivations,
    /// A rate cannot halve every 0 generations.
    #[error("halve_every is 0; set at least 1 generation, or none to keep the rate")]
    HalveEvery,
}

/// Why there are no children.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VariationError {
    /// A setting is out of range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A mating names an individual that is not there.
    #[error("parent {parent} is not among the {pool} individuals of the pool")]
    Parent {
        /// Index of the parent.
        parent: u32,
        /// Individuals in the pool.
        pool: usize,
    },
    /// A genome of the pool has another number of outputs than the settings.
    #[error("genome {index} has {found} outputs, the settings say {expected}")]
    Outputs {
        /// Which genome.
        index: usize,
        /// Its outputs.
        found: usize,
        /// Outputs of the settings.
        expected: usize,
    },
    /// A genome of the pool has a marking that is yet to be given out.
    #[error(
        "genome {index} has a node or innovation beyond the counters ({next_node}, {next_innovation}); \
         take the innovations stored with it"
    )]
    Marking {
        /// Which genome.
        index: usize,
        /// The next node id.
        next_node: u32,
        /// The next innovation.
        next_innovation: u32,
    },
    /// There is not one operator a mating.
    #[error("there are {found} operators for {expected} matings")]
    Operators {
        /// Operators.
        found: usize,
        /// Matings.
        expected: usize,
    },
    /// There are no innovation numbers left.
    #[error("the run has used up its innovation numbers (2^31); start a new run")]
    Exhausted,
    /// The caller asked to stop.
    #[error("variation was cancelled")]
    Cancelled,
}

/// Why there are no species, or no offspring.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpeciesError {
    /// A setting is out of range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The distance below which two genomes are of one species is not above 0, or so close to it that it cannot be raised.
    #[error("the species threshold is {threshold:e}; set at least {:e}", f32::MIN_POSITIVE)]
    Threshold {
        /// The threshold.
        threshold: f32,
    },
    /// The ids of a set of species are not strictly ascending, not below the next one, or beyond those of any run.
    #[error("the species ids are not in order")]
    Ids,
    /// A species has improved later than it has lived, or a fitness that nobody can have.
    #[error("species {id} has an impossible age or fitness")]
    History {
        /// Which species.
        id: u32,
    },
    /// There is nobody to breed, or not one species and one fitness for each.
    #[error("{species} species ids and {fitness} fitness values; pass one of each for at least one genome")]
    Lengths {
        /// Species ids.
        species: usize,
        /// Fitness values.
        fitness: usize,
    },
    /// A fitness is negative or no finite number.
    #[error("the fitness of genome {genome} is {fitness}; it must be finite and not negative")]
    Fitness {
        /// Which genome.
        genome: usize,
        /// Its fitness.
        fitness: f32,
    },
    /// A genome is of no species of the set.
    #[error("genome {genome} is of species {id}, which does not exist")]
    Unknown {
        /// Which genome.
        genome: usize,
        /// Its species.
        id: u32,
    },
    /// The caller asked to stop.
    #[error("speciation was cancelled")]
    Cancelled,
}

/// The instruction set that was asked for is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={name:?} is not available here; unset it or use one of: {}", available.join(", "))]
#[non_exhaustive]
pub struct SimdError {
    /// The environment variable that asks.
    pub variable: &'static str,
    /// What it names.
    pub name: String,
    /// What this machine has, best first.
    pub available: Vec<&'static str>,
}

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The width or height is not supported.
    #[error("cannot draw {width}x{height} pixels; width and height must be 1 to {most}")]
    Size {
        /// Columns asked for.
        width: usize,
        /// Rows asked for.
        height: usize,
        /// Largest width or height.
        most: usize,
    },
    /// There are no such rows.
    #[error("rows {first} to {end} are no band of a picture of {height} rows")]
    Rows {
        /// First row asked for.
        first: usize,
        /// The row after the last one.
        end: usize,
        /// Rows of the picture.
        height: usize,
    },
    /// The buffer does not hold (N, C, H, W) samples.
    #[error("the buffer has {found} bytes; these pictures take {expected}")]
    Length {
        /// Bytes needed.
        expected: usize,
        /// Bytes passed.
        found: usize,
    },
    /// Gray and colour genomes are mixed.
    #[error("genome {index} has {found} outputs but the first has {expected}; render gray and colour genomes apart")]
    Outputs {
        /// Which genome.
        index: usize,
        /// Outputs of the first genome.
        expected: usize,
        /// Outputs of this genome.
        found: usize,
    },
    /// There is no such node to look at.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// The instruction set that was asked for is not there.
    #[error(transparent)]
    Simd(#[from] SimdError),
    /// The caller asked to stop.
    #[error("rendering was cancelled")]
    Cancelled,
}

/// What is wrong with a population of the direct encoding, or with what it was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectError {
    /// A setting is out of range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The genes are not a whole number of individuals.
    #[error("{genes} genes do not make individuals of {length}")]
    Length {
        /// Genes passed.
        genes: usize,
        /// Genes of an individual.
        length: usize,
    },
    /// So many genes cannot be held.
    #[error("{count} individuals of {length} genes are too many")]
    Size {
        /// Individuals asked for.
        count: usize,
        /// Genes of an individual.
        length: usize,
    },
    /// An index names an individual that is not there.
    #[error("{index} is not among the {count} individuals")]
    Index {
        /// The index.
        index: u32,
        /// Individuals of the population.
        count: usize,
    },
    /// A child's parent is not there.
    #[error("parent {parent} is not among the {pool} individuals of the pool")]
    Parent {
        /// Index of the parent.
        parent: u32,
        /// Individuals of the population.
        pool: usize,
    },
    /// A picture has neither 1 nor 3 channels.
    #[error("pictures have 1 channel or 3, not {channels}")]
    Channels {
        /// Channels asked for.
        channels: usize,
    },
    /// There is not an operator for every child.
    #[error("{found} operators for {expected} matings")]
    Operators {
        /// Operators passed.
        found: usize,
        /// Matings passed.
        expected: usize,
    },
    /// What is to be put does not fit its slots.
    #[error("{found} individuals of {found_length} genes do not fit {slots} slots of {slot_length}")]
    Slots {
        /// Individuals to be put.
        found: usize,
        /// Genes of each.
        found_length: usize,
        /// Slots for them.
        slots: usize,
        /// Genes of each slot.
        slot_length: usize,
    },
    /// The buffer is not a whole number of images, or has too many.
    #[error("{bytes} bytes cannot hold individuals {first} to {count} of {length} genes in {channels} channels")]
    Buffer {
        /// Bytes passed.
        bytes: usize,
        /// First individual to be drawn.
        first: usize,
        /// Individuals of the population.
        count: usize,
        /// Genes of an individual.
        length: usize,
        /// Planes of an image.
        channels: usize,
    },
    /// The instruction set that was asked for is not there.
    #[error(transparent)]
    Simd(#[from] SimdError),
    /// The caller asked to stop.
    #[error("the call was cancelled")]
    Cancelled,
}
