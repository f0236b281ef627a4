//! `--gpu-status`: the GPUs and their leases, for people.

use std::fmt::Write as _;

use super::lease::{Ask, Leased, Leases, Record};
use super::{LeaseError, Memory, machine};

/// Every GPU with who uses it; the error says why none is known.
pub(crate) fn status() -> Result<String, String> {
    let machine = machine().map_err(|error| format!("no GPU is known: {error}"))?;
    let leases = Leases::open(machine, String::new()).map_err(|error| error.to_string())?;
    let (leased, cards) = look(&leases).map_err(|error| error.to_string())?;
    let mut text = String::new();
    for ((device, leased), card) in machine.devices.iter().zip(&leased).zip(&cards) {
        let (total, free) = (Memory(device.total_mib), Memory(card.free_mib));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "GPU {}  {}  {}", device.index, device.uuid, device.name);
        let _ = match &leased.usage {
            Some(Ok(usage)) => writeln!(
                text,
                "    {total}, {} in use, {free} free to lease",
                Memory(usage.used_mib)
            ),
            Some(Err(error)) => writeln!(text, "    {total}, cannot be leased: {error}"),
            None => Ok(()),
        };
        for resident in &leased.residents {
            let Record { holder, vram_mib, .. } = resident;
            let memory = vram_mib.map_or("the whole card".into(), |vram| Memory(vram).to_string());
            let _ = writeln!(text, "    leased: {memory} to {holder}");
        }
        if leased.is_reserved {
            text.push_str("    kept free for a case that has waited long\n");
        }
    }
    for unusable in &machine.unusable {
        let _ = writeln!(text, "GPU {}  cannot be used: {}", unusable.index, unusable.why);
    }
    if let Some(limit) = &machine.limit {
        let _ = writeln!(text, "not all GPUs are ours: {limit}");
    }
    if text.is_empty() {
        text.push_str("no GPU\n");
    }
    Ok(text)
}

fn look(leases: &Leases) -> Result<(Vec<Leased>, Vec<super::Card>), LeaseError> {
    let session = leases.session()?;
    let leased = session.leased(Ask::All)?;
    let cards = session.cards(&leased, std::iter::empty());
    Ok((leased, cards))
}
