//! Every fact that a pack may ask for: what it says, what area it belongs to, and who could change
//! it. How each is derived stands in `facts`.

/// What kind of thing a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The system that the product would run on.
    System,
    /// What the product is.
    Product,
    /// Who can be made to do what: no look at the product's behaviour says anything about it.
    Compulsion,
    /// How the vendor behaved.
    Conduct,
    /// What a lab can see of the product.
    Lab,
    /// What the system's owner puts around the product.
    Containment,
}

/// Who could change a fact, or what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changer {
    /// The system's owner says so, and only what the system is for could change it.
    InformationOwner,
    /// The system's owner can put it in place, and must show that it is.
    You,
    /// The vendor can disclose it; a register, a court or another independent party must show it.
    VendorAndRegister,
    /// Only a party independent of the vendor can show it, on the build that customers get.
    IndependentLab,
}

/// A fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described in its row of the catalogue")]
pub enum FactName {
    SecretOrAbove,
    StateAccessWouldHarm,
    WidenedScopeBody,
    Government,
    SystemInJurisdiction,
    NewPurchase,
    RemovalIsRisky,
    Antivirus,
    DeepAccess,
    ListedStateControl,
    ListedStateStaff,
    ListedStateCanPush,
    ListedStateComponent,
    ListedStateCompels,
    ListedStateOffensive,
    NamedInOrder,
    NamedInGovernmentOrder,
    ConductFailed,
    CollectsContent,
    CouldCollectContent,
    ChangedFromOutside,
    UpdatesUnauthenticated,
    BuildVerified,
    UpdateMirror,
    EgressRelay,
    AirGap,
}

/// A row of the catalogue.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) name: FactName,
    /// As packs and evidence spell it.
    pub(crate) id: &'static str,
    pub(crate) area: Area,
    pub(crate) changer: Changer,
    /// A sentence that is true where the fact is.
    pub(crate) says: &'static str,
    /// The same where it is false.
    pub(crate) denies: &'static str,
}

macro_rules! catalogue {
    ($($name:ident, $id:literal, $area:ident, $changer:ident, $says:literal, $denies:literal;)*) => {
        /// The whole catalogue.
        pub(crate) const CATALOGUE: &[Described] = &[$(Described {
            name: FactName::$name,
            id: $id,
            area: Area::$area,
            changer: Changer::$changer,
            says: $says,
            denies: $denies,
        }),*];
    };
}

catalogue! {
    SecretOrAbove, "secret_or_above", System, InformationOwner,
        "the system holds SECRET or higher", "the system holds nothing above OFFICIAL";
    StateAccessWouldHarm, "state_access_would_harm", System, InformationOwner,
        "a hostile state's access would harm national security",
        "a hostile state's access would not harm national security";
    WidenedScopeBody, "widened_scope_body", System, InformationOwner,
        "the body is public sector, critical infrastructure, or exposed by what it does",
        "the body is neither public sector nor critical nor exposed by what it does";
    Government, "government", System, InformationOwner,
        "the system belongs to central government", "the system does not belong to central government";
    SystemInJurisdiction, "system_in_jurisdiction", System, InformationOwner,
        "the system is where the pack's rules hold", "the system is elsewhere";
    NewPurchase, "new_purchase", System, InformationOwner,
        "the product would be bought anew", "the product is installed already";
    RemovalIsRisky, "removal_is_risky", System, InformationOwner,
        "taking the product away would leave the system without protection",
        "the product could be taken away safely";
    Antivirus, "antivirus", Product, VendorAndRegister,
        "the product is an antivirus", "the product is no antivirus";
    DeepAccess, "deep_access", Product, IndependentLab,
        "the product reads every file with high privilege",
        "the product has no more access than whoever runs it";
    ListedStateControl, "listed_state_control", Compulsion, VendorAndRegister,
        "a listed state's law reaches the vendor or whoever owns it",
        "no listed state's law reaches the vendor or its owners";
    ListedStateStaff, "listed_state_staff", Compulsion, VendorAndRegister,
        "the vendor has offices with staff in a listed state",
        "the vendor has no offices with staff in a listed state";
    ListedStateCanPush, "listed_state_can_push", Compulsion, VendorAndRegister,
        "an organisation within a listed state's reach signs, sends or commands code or rules",
        "nobody within a listed state's reach signs, sends or commands code or rules";
    ListedStateComponent, "listed_state_component", Compulsion, VendorAndRegister,
        "an engine or a component comes from within a listed state's reach",
        "no engine or component comes from within a listed state's reach";
    ListedStateCompels, "listed_state_compels", Compulsion, VendorAndRegister,
        "a law that compels co-operation reaches the vendor",
        "no law that the pack lists as compelling reaches the vendor";
    ListedStateOffensive, "listed_state_offensive", Compulsion, VendorAndRegister,
        "a state with an offensive programme that the pack lists reaches the vendor",
        "no state with an offensive programme that the pack lists reaches the vendor";
    NamedInOrder, "named_in_order", Compulsion, VendorAndRegister,
        "an order names the vendor, its owner or the maker of its engine",
        "no order that the pack lists names the vendor, its owners or the maker of its engine";
    NamedInGovernmentOrder, "named_in_government_order", Compulsion, VendorAndRegister,
        "an order for government systems names the vendor, its owner or the maker of its engine",
        "no order for government systems names the vendor, its owners or the maker of its engine";
    ConductFailed, "conduct_failed", Conduct, VendorAndRegister,
        "the vendor broke a declaration, hid a defect or refused a test",
        "an independent party found no failure of conduct";
    CollectsContent, "collects_content", Lab, IndependentLab,
        "it sends content of files away", "no content of files was seen to leave";
    CouldCollectContent, "could_collect_content", Lab, IndependentLab,
        "it can be made to send content of files away",
        "it cannot send content of files away";
    ChangedFromOutside, "changed_from_outside", Lab, IndependentLab,
        "its code or its rules can be changed by a command from outside",
        "nothing from outside changes its code or its rules";
    UpdatesUnauthenticated, "updates_unauthenticated", Lab, IndependentLab,
        "it accepts updates that are not authenticated",
        "it refuses updates that were tampered with, replayed or rolled back";
    BuildVerified, "build_verified", Lab, IndependentLab,
        "an independent party rebuilt this build from reviewed source",
        "this build does not come from the published source";
    UpdateMirror, "update_mirror", Containment, You,
        "updates reach the system only through its owner's mirror",
        "updates reach the system from the vendor";
    EgressRelay, "egress_relay", Containment, You,
        "traffic leaves the system only through its owner's relay",
        "traffic leaves the system without its owner's relay";
    AirGap, "air_gap", Containment, You,
        "the system has no connection to other networks",
        "the system is connected to other networks";
}

impl FactName {
    /// The fact that packs spell so.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        let row = CATALOGUE.iter().find(|row| row.id == id);
        row.map(|row| row.name)
    }

    /// As packs spell it.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.row().map_or("", |row| row.id)
    }

    /// What kind of thing it is about.
    #[must_use]
    pub fn area(self) -> Area {
        self.row().map_or(Area::System, |row| row.area)
    }

    /// Who could change it.
    #[must_use]
    pub fn changer(self) -> Changer {
        self.row()
            .map_or(Changer::InformationOwner, |row| row.changer)
    }

    /// The value that speaks against running the product.
    #[must_use]
    pub fn adverse_side(self) -> Side {
        match self {
            Self::BuildVerified | Self::UpdateMirror | Self::EgressRelay | Self::AirGap => {
                Side::Fails
            }
            _ => Side::Holds,
        }
    }

    /// A sentence for this value.
    #[must_use]
    pub fn sentence(self, is_true: Side) -> &'static str {
        self.row().map_or("", |row| match is_true {
            Side::Holds => row.says,
            Side::Fails => row.denies,
        })
    }

    fn row(self) -> Option<&'static Described> {
        CATALOGUE.iter().find(|row| row.name == self)
    }
}

/// One of the two firm values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The fact is true.
    Holds,
    /// The fact is false.
    Fails,
}

impl Changer {
    /// Who has to do something, in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InformationOwner => "information owner",
            Self::You => "you",
            Self::VendorAndRegister => "vendor, shown by a register or another independent party",
            Self::IndependentLab => "an independent lab, on the build that customers get",
        }
    }
}

impl Area {
    /// The word that is printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Product => "product",
            Self::Compulsion => "compulsion",
            Self::Conduct => "conduct",
            Self::Lab => "lab",
            Self::Containment => "containment",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_has_one_row_and_one_name() {
        for (place, row) in CATALOGUE.iter().enumerate() {
            assert_eq!(FactName::from_id(row.id), Some(row.name));
            assert_eq!(row.name as usize, place, "{}", row.id);
            assert!(!row.says.is_empty() && !row.denies.is_empty());
        }
    }
}
