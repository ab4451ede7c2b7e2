//! Which items are public.

use syn::Visibility;

/// Whether an item is visible wherever its module is; `pub(crate)` and the like are not.
pub(crate) fn public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}
