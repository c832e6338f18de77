//! What variation can be told: settings, and who breeds with whom.

use crate::activation::Activation;
use crate::error::SettingError;

/// Rates of the mutation operators, all probabilities in `[0, 1]` but `weight_eta`. The defaults are the paper's.
#[derive(Clone, Debug, PartialEq)]
pub struct MutationRates {
    /// Per weight.
    pub weight: f64,
    /// Distribution index of the polynomial mutation, at least 0: the larger, the smaller the steps.
    pub weight_eta: f64,
    /// Per node.
    pub activation: f64,
    /// Per child.
    pub add_connection: f64,
    /// Per child.
    pub delete_connection: f64,
    /// Per child: splitting a connection with a new node.
    pub add_node: f64,
    /// Per child.
    pub delete_node: f64,
    /// Whether a split connection stays, disabled (NEAT), or is removed (the paper).
    pub keep_split: bool,
}

impl Default for MutationRates {
    fn default() -> Self {
        Self {
            weight: 0.1,
            weight_eta: 15.0,
            activation: 0.1,
            add_connection: 0.5,
            delete_connection: 0.3,
            add_node: 0.5,
            delete_node: 0.2,
            keep_split: false,
        }
    }
}

/// What CPPNs are made of and how they mutate.
#[derive(Clone, Debug, PartialEq)]
pub struct CppnSettings {
    /// 1 (gray) or 3 (colour).
    pub outputs: usize,
    /// What a node's activation is drawn from, uniformly.
    pub activations: Vec<Activation>,
    /// Rounds of mutation that a genome of the start population goes through; 0 in the paper.
    pub initial_mutations: u32,
    /// How children differ from their parents.
    pub rates: MutationRates,
}

impl CppnSettings {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`SettingError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), SettingError> {
        if self.outputs != 1 && self.outputs != 3 {
            return Err(SettingError::Outputs { found: self.outputs });
        }
        if self.activations.is_empty() {
            return Err(SettingError::NoActivations);
        }
        let rates = &self.rates;
        check_probability("weight rate", rates.weight)?;
        check_probability("activation rate", rates.activation)?;
        check_probability("add_connection rate", rates.add_connection)?;
        check_probability("delete_connection rate", rates.delete_connection)?;
        check_probability("add_node rate", rates.add_node)?;
        check_probability("delete_node rate", rates.delete_node)?;
        check_not_negative("weight_eta", rates.weight_eta)
    }
}

/// Parameters of the crossover.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossoverSettings {
    /// Probability that a gene which is disabled in a parent is disabled in the child.
    pub keep_disabled: f64,
}

impl Default for CrossoverSettings {
    fn default() -> Self {
        Self { keep_disabled: 0.75 }
    }
}

impl CrossoverSettings {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`SettingError`] if a probability is outside `[0, 1]`.
    pub fn validate(&self) -> Result<(), SettingError> {
        check_probability("keep_disabled", self.keep_disabled)
    }
}

/// The parents of one child, as indices into the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mating {
    /// The parent whose structure the child inherits.
    pub fitter: u32,
    /// The other parent. The same as `fitter`: no crossover, the child is a mutated copy.
    pub other: u32,
    /// Whether both are equally fit: the child then inherits of the structure of both.
    pub equal: bool,
}

pub(crate) fn check_probability(name: &'static str, value: f64) -> Result<(), SettingError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(SettingError::Probability { name, value })
}

pub(crate) fn check_not_negative(name: &'static str, value: f64) -> Result<(), SettingError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(SettingError::Negative { name, value })
}
