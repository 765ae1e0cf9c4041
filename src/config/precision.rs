//! The formats that matrix products can have.

use crate::suggest::hint;
use serde::{Deserialize, Serialize};

/// Number format of the operands of matrix products.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// `bf16` on a CPU that has such products; elsewhere the widest that the device has: `f32`, or `tf32` where its products
    /// of single precision may round their operands.
    #[default]
    Auto,
    /// Single precision, 32 bits.
    F32,
    /// Single precision whose operands may be rounded to 19 bits, 8 of them for the exponent, as tensor cores do it.
    TF32,
    /// Half precision, 16 bits, 5 of them for the exponent.
    F16,
    /// 16 bits, 8 of them for the exponent, as single precision has.
    BF16,
}

impl Precision {
    /// All formats, widest first; `auto` stands for one of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::TF32, Self::F16, Self::BF16];

    /// As a configuration calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::TF32 => "tf32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
        }
    }
}

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let all = || std::iter::once(Self::Auto).chain(Self::ALL);
        all().find(|precision| precision.name() == name).ok_or_else(|| {
            let names: Vec<_> = all().map(Self::name).collect();
            format!("expected {}{}", names.join(", "), hint(name, names.iter().copied()))
        })
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.pad(self.name())
    }
}
