use std::fmt;

/// The GPUs that a case needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// How many.
    pub count: u32,
    /// Memory of each, in MiB. Where it is declared, others may use the rest of the card meanwhile; where it is not,
    /// the card is the case's alone.
    pub vram_mib: Option<u64>,
    /// The least compute capability, major and minor.
    pub compute_capability: Option<(u32, u32)>,
    /// What the name of each must contain, whatever the case of its letters.
    pub models: Vec<&'static str>,
}

impl Need {
    /// Whether a card that nobody uses would do.
    pub fn suits(&self, name: &str, compute_capability: (u32, u32), total_mib: u64) -> bool {
        let name = name.to_lowercase();
        self.vram_mib.is_none_or(|vram| vram <= total_mib)
            && self.compute_capability.is_none_or(|least| compute_capability >= least)
            && self.models.iter().all(|model| name.contains(&model.to_lowercase()))
    }
}

/// `2 GPUs (H100, compute capability 9.0 or more, 20 GiB each)`
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} GPU{plural}", self.count)?;
        let models = self.models.iter().map(ToString::to_string);
        let capability = self
            .compute_capability
            .map(|(major, minor)| format!("compute capability {major}.{minor} or more"));
        let each = if self.count == 1 { "" } else { " each" };
        let vram = self.vram_mib.map(|vram| format!("{}{each}", Memory(vram)));
        let terms: Vec<String> = models.chain(capability).chain(vram).collect();
        if terms.is_empty() { Ok(()) } else { write!(f, " ({})", terms.join(", ")) }
    }
}

/// An amount of memory in MiB, as people write it: `20 GiB`, `1.5 GiB`, `512 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Memory(pub(crate) u64);

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            mib if mib < 1024 => write!(f, "{mib} MiB"),
            mib if mib % 1024 == 0 => write!(f, "{} GiB", mib / 1024),
            mib => write!(f, "{:.1} GiB", mib as f64 / 1024.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn a_need_reads_as_a_person_would_say_it() {
        let plain = Need { count: 1, ..Need::default() };
        assert_eq!(plain.to_string(), "1 GPU");
        let all = Need {
            count: 2,
            vram_mib: Some(20 * 1024),
            compute_capability: Some((9, 0)),
            models: vec!["H100"],
        };
        assert_eq!(all.to_string(), "2 GPUs (H100, compute capability 9.0 or more, 20 GiB each)");
        assert_eq!(Memory(512).to_string(), "512 MiB");
        assert_eq!(Memory(1536).to_string(), "1.5 GiB");
    }

    #[dynamo_test]
    fn a_card_suits_if_it_has_all_that_is_asked() {
        let need = Need {
            count: 1,
            vram_mib: Some(40_000),
            compute_capability: Some((9, 0)),
            models: vec!["h100"],
        };
        assert!(need.suits("NVIDIA H100 80GB HBM3", (9, 0), 81_559));
        assert!(need.suits("NVIDIA H100 80GB HBM3", (10, 0), 81_559));
        assert!(!need.suits("NVIDIA H100 80GB HBM3", (8, 9), 81_559));
        assert!(!need.suits("NVIDIA H100 80GB HBM3", (9, 0), 39_999));
        assert!(!need.suits("NVIDIA A100-SXM4-80GB", (9, 0), 81_559));
    }
}
