//! The markers that an expression may name: the built-in ones, a project's own, and those derived from `gpus = N`.

use super::{Category, Lifecycle, Marker, builtin};

/// A marker declared with [`marker!`](crate::marker!).
#[doc(hidden)]
pub struct Declared(pub Marker);

inventory::collect!(Declared);

/// Every marker that a binary knows.
pub(crate) struct Vocabulary {
    markers: Vec<Marker>,
}

/// The names of the marks that `gpus = N` derives.
pub(crate) const GPU_MARK_PREFIXES: [&str; 2] = ["gpus_needed_", "gpu_"];

impl Vocabulary {
    /// The built-in markers and those that the linked crates declared, by category.
    pub(crate) fn collect() -> Self {
        let mut markers = builtin::ALL.to_vec();
        let mut declared: Vec<Marker> =
            inventory::iter::<Declared>().map(|declared| declared.0).collect();
        declared.sort_by_key(|marker| marker.name);
        declared.dedup();
        declared.retain(|marker| !markers.contains(marker));
        markers.extend(declared);
        markers.sort_by_key(|marker| marker.category);
        Self { markers }
    }

    pub(crate) fn markers(&self) -> &[Marker] {
        &self.markers
    }

    /// The marker that goes by a name or alias.
    pub(crate) fn find(&self, name: &str) -> Option<&Marker> {
        self.markers.iter().find(|marker| marker.name == name || marker.aliases.contains(&name))
    }

    /// The name of the marker nearest to a misspelt one.
    pub(crate) fn suggest(&self, misspelt: &str) -> Option<&'static str> {
        let names = self
            .markers
            .iter()
            .flat_map(|marker| std::iter::once(marker.name).chain(marker.aliases.iter().copied()));
        nearest(misspelt, names)
    }
}

/// The lifecycle that goes by a marker's name or alias.
pub(crate) fn lifecycle(name: &str) -> Option<Lifecycle> {
    builtin::ALL
        .iter()
        .filter(|marker| marker.category == Category::Lifecycle)
        .find(|marker| marker.name == name || marker.aliases.contains(&name))
        .and_then(Lifecycle::of)
}

/// The candidate that a misspelt name most likely meant; none where all are far.
pub(crate) fn nearest<'a>(
    misspelt: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(misspelt, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}
