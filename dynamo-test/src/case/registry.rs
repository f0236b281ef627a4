use std::collections::BTreeSet;

use super::{Case, Definition, section};
use crate::fixture::Needs;
use crate::marker::{Category, Marker, builtin};

/// Markers that `suite!` gives to the cases of a module and those below.
pub struct Suite {
    /// `module_path!()` of the module.
    pub module: &'static str,
    /// What it gives.
    pub markers: &'static [Marker],
}

inventory::collect!(Suite);

impl Suite {
    fn covers(&self, definition: &Definition) -> bool {
        definition.path.strip_prefix(self.module).is_some_and(|below| below.starts_with("::"))
    }
}

/// Every definition of the binary, by an index that names a case in each of its processes.
pub(crate) struct Registry {
    definitions: &'static [Definition],
    suites: Vec<&'static Suite>,
}

impl Registry {
    pub(crate) fn collect() -> Self {
        Self { definitions: section::definitions(), suites: inventory::iter::<Suite>().collect() }
    }

    /// The case of an index.
    pub(crate) fn case(&self, index: usize) -> Option<Case> {
        let definition = self.definitions.get(index)?;
        let mut needs = Needs::default();
        (definition.settings.needs)(&mut needs);
        let markers = markers(definition, &self.suites);
        Some(Case { name: definition.name(), definition, markers, needs, index })
    }

    /// The variables in which code under test looks for the services that any of the cases uses.
    pub(crate) fn service_variables(&self) -> BTreeSet<&'static str> {
        let mut needs = Needs::default();
        for definition in self.definitions {
            (definition.settings.needs)(&mut needs);
        }
        needs.services().iter().map(|(want, _)| want.kind.variable()).collect()
    }

    /// Every case, by name.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let mut cases: Vec<Case> =
            (0..self.definitions.len()).filter_map(|index| self.case(index)).collect();
        cases.sort_by_key(Case::name);
        cases
    }
}

fn markers(definition: &Definition, suites: &[&'static Suite]) -> Vec<Marker> {
    let inherited =
        suites.iter().filter(|suite| suite.covers(definition)).flat_map(|suite| suite.markers);
    let mut markers: Vec<Marker> = Vec::with_capacity(4);
    for marker in definition.markers.iter().chain(inherited) {
        if !markers.contains(marker) {
            markers.push(*marker);
        }
    }
    if !markers.iter().any(|marker| marker.category == Category::Type) {
        markers.insert(0, builtin::unit);
    }
    markers
}
