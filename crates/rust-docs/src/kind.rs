use std::fmt;

/// What an item is.
///
/// ```
/// use rust_docs::ItemKind;
///
/// assert_eq!(ItemKind::TraitMethod.as_str(), "trait method");
/// assert_eq!(ItemKind::Struct.to_string(), "struct");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ItemKind {
    /// The crate itself.
    Crate,
    /// A public module.
    Module,
    /// A free function.
    Function,
    /// A method or an associated function.
    Method,
    /// A struct.
    Struct,
    /// An enum.
    Enum,
    /// A variant of an enum.
    Variant,
    /// A union.
    Union,
    /// A trait or a trait alias.
    Trait,
    /// A method that a trait asks for or provides.
    TraitMethod,
    /// A constant that a trait asks for or provides.
    TraitConstant,
    /// A type that a trait asks for.
    TraitType,
    /// A type alias.
    Type,
    /// A constant, of a module or of a type.
    Constant,
    /// A static.
    Static,
    /// A macro that is exported.
    Macro,
}

impl ItemKind {
    /// The kind in a word or two.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crate => "crate",
            Self::Module => "module",
            Self::Function => "function",
            Self::Method => "method",
            Self::Struct => "struct",
            Self::Enum => "enum",
            Self::Variant => "variant",
            Self::Union => "union",
            Self::Trait => "trait",
            Self::TraitMethod => "trait method",
            Self::TraitConstant => "trait constant",
            Self::TraitType => "trait type",
            Self::Type => "type",
            Self::Constant => "constant",
            Self::Static => "static",
            Self::Macro => "macro",
        }
    }
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
