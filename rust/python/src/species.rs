//! Species of the populations of a run.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use neatfool_core::{Genome, Offspring, Purpose, SpeciesError, SpeciesSet, SpeciesSettings, Stream};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::convert::{SpeciesArguments, value_error};
use crate::cppn::{CppnGenomes, first_error};
use crate::pool;

/// Indices of the champions, and matings of shape (children, 3).
type Plan<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray2<u32>>);

/// A set of species for each of the populations that lie in one batch, from generation to generation.
#[pyclass(module = "neatfool._core")]
pub struct Species(Vec<SpeciesSet>);

/// The genomes that each population owns.
fn ranges(ends: &[u32], genomes: usize) -> PyResult<Vec<Range<usize>>> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let ranges: Vec<_> = starts.zip(ends).map(|(start, &end)| start as usize..end as usize).collect();
    if ends.last().map_or(0, |&end| end as usize) != genomes || ranges.iter().any(|range| range.start > range.end) {
        return Err(PyValueError::new_err(format!("ends must ascend to the number of genomes, {genomes}")));
    }
    Ok(ranges)
}

fn same_length(what: &str, found: usize, expected: usize) -> PyResult<()> {
    if found == expected {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("{what} has {found} values, not {expected}")))
}

/// One population's next set of species, and who makes up its next generation.
fn next_generation(
    set: &SpeciesSet,
    genomes: &[Genome],
    fitness: &[f32],
    children: u32,
    settings: &SpeciesSettings,
    mut stream: Stream,
    cancel: &AtomicBool,
) -> Result<(SpeciesSet, Offspring), SpeciesError> {
    let mut set = set.clone();
    let species = set.speciate(genomes, settings, &mut stream, cancel)?;
    let offspring = set.reproduce(&species, fitness, children as usize, settings, &mut stream)?;
    Ok((set, offspring))
}

#[pymethods]
impl Species {
    #[new]
    fn new(count: usize, settings: SpeciesArguments) -> Self {
        Self((0..count).map(|_| SpeciesSet::new(settings.initial_threshold)).collect())
    }

    #[staticmethod]
    fn from_json(py: Python<'_>, texts: Vec<String>) -> PyResult<Self> {
        let read = |(population, text): (usize, String)| {
            let place = |error: &dyn std::fmt::Display| format!("population {population}: {error}");
            let set: SpeciesSet = serde_json::from_str(&text).map_err(|error| place(&error))?;
            set.validate().map_err(|error| place(&error))?;
            Ok::<_, String>(set)
        };
        let texts = texts.into_par_iter().enumerate();
        pool::run(py, |cancel| first_error(cancel, texts, read))?.map(Self).map_err(value_error)
    }

    fn json(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        pool::run(py, |cancel| first_error(cancel, &self.0, serde_json::to_string))?.map_err(value_error)
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn counts<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        PyArray1::from_iter(py, self.0.iter().map(|set| set.species().len() as u32))
    }

    #[pyo3(signature = (genomes, ends, fitness, settings, *, children, seed, generation))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one batch call")]
    fn reproduce<'py>(
        &mut self,
        py: Python<'py>,
        genomes: PyRef<'_, CppnGenomes>,
        ends: PyReadonlyArray1<'_, u32>,
        fitness: PyReadonlyArray1<'_, f32>,
        settings: SpeciesArguments,
        children: PyReadonlyArray1<'_, u32>,
        seed: u64,
        generation: u32,
    ) -> PyResult<Plan<'py>> {
        let settings = SpeciesSettings::from(settings);
        settings.validate().map_err(value_error)?;
        // Copies: Python may write to its arrays meanwhile.
        let (ends, fitness, children) = (ends.as_slice()?, fitness.as_slice()?.to_vec(), children.as_slice()?.to_vec());
        let (sets, genomes) = (&self.0, genomes.genomes.as_slice());
        same_length("ends", ends.len(), sets.len())?;
        same_length("children", children.len(), sets.len())?;
        same_length("fitness", fitness.len(), genomes.len())?;
        let ranges = ranges(ends, genomes.len())?;
        if let Some(genome) = fitness.iter().position(|f| !f.is_finite() || *f < 0.0) {
            return Err(value_error(SpeciesError::Fitness { genome, fitness: fitness[genome] }));
        }
        let (next, elites, rows) = pool::run(py, |cancel| {
            let plans = first_error(cancel, ranges.into_par_iter().enumerate(), |(population, range)| {
                let stream = Stream::new(seed, Purpose::Speciate, generation, population as u32);
                let (set, children, first) = (&sets[population], children[population], range.start as u32);
                let (genomes, fitness) = (&genomes[range.clone()], &fitness[range]);
                next_generation(set, genomes, fitness, children, &settings, stream, cancel)
                    .map(|(set, offspring)| (set, offspring, first))
                    .map_err(|error| format!("population {population}: {error}"))
            })?;
            let (mut next, mut elites, mut rows) = (Vec::with_capacity(plans.len()), Vec::new(), Vec::new());
            for (set, Offspring { elites: champions, matings }, first) in plans {
                next.push(set);
                elites.extend(champions.into_iter().map(|champion| first + champion));
                rows.extend(matings.into_iter().flat_map(|m| [first + m.fitter, first + m.other, u32::from(m.equal)]));
            }
            Ok::<_, String>((next, elites, rows))
        })?
        .map_err(value_error)?;
        let count = rows.len() / 3;
        let plan = (PyArray1::from_vec(py, elites), PyArray1::from_vec(py, rows).reshape([count, 3])?);
        self.0 = next;
        Ok(plan)
    }
}
