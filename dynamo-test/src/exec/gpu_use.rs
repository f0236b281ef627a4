use serde::Serialize;

use crate::gpu::Memory;

/// A declaration is too large from so many times the peak on: others could use the rest.
const FAR_TOO_MUCH: u64 = 2;

/// What a case did with its GPUs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct GpuUse {
    /// Their UUIDs.
    pub(crate) devices: Vec<String>,
    /// The memory of each that the case declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vram_mib: Option<u64>,
    /// The most memory of one of them that it was seen to use; none where NVML could not tell, or saw no use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peak_mib: Option<u64>,
}

impl GpuUse {
    /// How it used more than it declared, if it did.
    pub(crate) fn overdrawn(&self) -> Option<String> {
        let (peak, vram) = (self.peak_mib?, self.vram_mib?);
        let is_more = peak > vram;
        is_more.then(|| {
            format!("it used {} of a GPU and declares vram = \"{}\"", Memory(peak), Memory(vram))
        })
    }

    /// The `vram` that it should declare, where it declares none, too little or far too much: the peak and a tenth, in
    /// whole GiB.
    pub(crate) fn proposal(&self) -> Option<String> {
        let peak = self.peak_mib?;
        let proposed = Memory((peak + peak / 10).div_ceil(1024) * 1024);
        let is_fair =
            |vram| peak <= vram && (vram < FAR_TOO_MUCH * peak || Memory(vram) <= proposed);
        let is_needed = !self.vram_mib.is_some_and(is_fair);
        is_needed.then(|| format!("vram = \"{proposed}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    fn used(vram_gib: Option<u64>, peak_mib: u64) -> GpuUse {
        let vram_mib = vram_gib.map(|vram| vram * 1024);
        GpuUse { devices: Vec::new(), vram_mib, peak_mib: Some(peak_mib) }
    }

    #[dynamo_test]
    fn a_proposal_leaves_a_tenth_and_comes_only_where_it_helps() {
        let proposed = |vram, peak| used(vram, peak).proposal();
        assert_eq!(proposed(None, 10_000).unwrap(), "vram = \"11 GiB\"");
        assert_eq!(proposed(Some(40), 10_000).unwrap(), "vram = \"11 GiB\"");
        assert_eq!(proposed(Some(5), 10_000).unwrap(), "vram = \"11 GiB\"");
        assert_eq!(proposed(Some(15), 10_000), None);
        assert_eq!(proposed(Some(1), 100), None, "there is no smaller one to propose");
    }

    #[dynamo_test]
    fn more_than_declared_is_told_with_both_amounts() {
        assert_eq!(used(Some(20), 20 * 1024).overdrawn(), None);
        assert_eq!(used(None, 20 * 1024).overdrawn(), None);
        assert_eq!(
            used(Some(20), 22 * 1024).overdrawn().unwrap(),
            "it used 22 GiB of a GPU and declares vram = \"20 GiB\""
        );
    }
}
