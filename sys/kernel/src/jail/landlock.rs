//! Landlock: everything that the kernel can handle is handled, and nothing is granted.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset,
    RulesetAttr, RulesetError, Scope,
};
use proto::Layer;

use super::Layers;

/// The newest version whose rights we ask for; an older kernel grants what it knows.
const NEWEST: ABI = ABI::V7;

/// From which version on a layer exists.
const LAYERS: [(Layer, ABI, &str); 3] = [
    (Layer::LandlockFiles, ABI::V1, "Linux 5.13"),
    (Layer::LandlockNetwork, ABI::V4, "Linux 6.7"),
    (Layer::LandlockScopes, ABI::V6, "Linux 6.12"),
];

/// Restricts this thread, which is still the only one.
pub(super) fn restrict(layers: &mut Layers) {
    let status = match grant_nothing() {
        Ok(status) => status,
        Err(error) => return all_missing(layers, &error.to_string()),
    };
    match status {
        LandlockStatus::NotEnabled => all_missing(
            layers,
            "the kernel has Landlock but does not use it; the boot option lsm= lists what is used",
        ),
        LandlockStatus::NotImplemented => all_missing(layers, "the kernel has no Landlock"),
        LandlockStatus::Available { effective_abi, .. } => {
            for (layer, needed, since) in LAYERS {
                if effective_abi >= needed {
                    layers.active(layer);
                } else {
                    let why = format!("the kernel's Landlock has none, which came with {since}");
                    layers.missing(layer, why);
                }
            }
        }
    }
}

fn grant_nothing() -> Result<LandlockStatus, RulesetError> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()?;
    Ok(status.landlock)
}

fn all_missing(layers: &mut Layers, why: &str) {
    for (layer, ..) in LAYERS {
        layers.missing(layer, why);
    }
}
